import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startReader } from '../../../../test/mirror/readers.ts'
import {
  grant,
  grantKeeping,
  grantLink,
  LINK_PRINCIPAL,
  rule,
  type Side,
  type Sides,
  startSides,
  switchSetup,
} from '../../../../test/mirror/sides.ts'
import { batchOf } from '../../../../test/wire/records.ts'
import { describeAcl } from '../../../foundation/kafka/security.ts'
import { differenceJson, renderDifference } from './render.ts'
import { keepOnce, lookForDifference } from './run.ts'

describe('what a link keeps in step, between two clusters with certificates and rules', () => {
  const signal = AbortSignal.timeout(400_000)
  let sides: Sides

  before(async () => {
    sides = await startSides()
  })

  after(async () => {
    await sides?.[Symbol.asyncDispose]()
  })

  async function topic(name: string, partitions = 1): Promise<void> {
    const { edge, hub } = sides
    const layout = { partitions, replicationFactor: 1 }
    const [created] = await edge.admin.createTopics([{ name, layout }], { signal })
    assert.equal(created!.error, null)
    await grantLink(edge, hub, [name])
    await grantKeeping(edge, hub)
  }

  async function write(side: Side, name: string, values: readonly string[], partition = 0): Promise<void> {
    await using producer = await side.wire.producer({}, signal)
    for (const value of values) await producer.append(name, partition, batchOf(value))
  }

  async function until<Value>(look: () => Promise<Value>, holds: (value: Value) => boolean): Promise<Value> {
    for (;;) {
      const value = await look()
      if (holds(value)) return value
      await sleep(50, undefined, { signal })
    }
  }

  const end = async (side: Side, name: string, partition = 0): Promise<number | null> => {
    const [topics] = await side.admin.describeTopics([name], { signal })
    if ((topics?.partitions.length ?? 0) <= partition) return null
    return (await side.admin.listOffsets([{ topic: name, partition, at: 'latest' }], { signal }))[0]!.offset
  }

  const position = async (side: Side, group: string): Promise<number | undefined> =>
    (await side.admin.groupPositions([group], { signal }))[0]!.positions[0]?.offset

  const rulesOf = async (side: Side, name: string): Promise<string[]> =>
    (await side.admin.describeAcls({ signal }))
      .filter(acl => acl.name === name && !acl.principal.includes('link'))
      .map(describeAcl)
      .sort()

  test('a dry run shows what is then done, to the letter; after it nothing is left to do', async () => {
    const { edge, hub } = sides
    await topic('dry', 2)
    await write(edge, 'dry', ['a', 'b', 'c'])
    await grant(edge, [
      rule('reader', 'read', 'topic', 'dry'),
      rule('reader', 'all', 'topic', 'dr', { pattern: 'prefixed' }),
      rule('reader', 'read', 'group', 'dry-readers'),
      rule('writer', 'write', 'topic', 'dry'),
      rule('bad', 'read', 'topic', 'dry', { permission: 'deny' }),
    ])
    await grant(hub, [rule('local', 'read', 'topic', 'dry')])
    await edge.admin.alterQuotas([
      { entity: { user: 'reader' }, set: { consumerBytesPerSecond: 5_000_000 } },
      { entity: { clientId: 'noise' }, set: { producerBytesPerSecond: 1 } },
    ])
    await edge.admin.commitPositions([
      { group: 'dry-readers', topic: 'dry', partition: 0, offset: 2, metadata: 'note' },
      { group: 'dry-readers', topic: 'dry', partition: 1, offset: 0, metadata: '' },
      { group: 'others', topic: 'dry', partition: 0, offset: 1, metadata: '' },
    ])
    await using setup = await switchSetup(sides, 'dry', ['dry'], {
      keep: {
        acls: { include: ['User:*'] },
        quotas: { include: ['user=*'] },
        groups: { include: ['dry-*'] },
      },
    })
    await setup.link.start(signal)
    await until(
      () => end(hub, 'dry'),
      found => found === 3,
    )
    const look = () => lookForDifference(setup.keep(signal))
    const kinds = (changes: readonly { kind: string }[]) => changes.map(({ kind }) => kind).sort()
    const dry = await until(look, ({ difference }) =>
      difference.changes.some(change => change.kind === 'set-quota'),
    )
    console.log(renderDifference(dry.difference).replaceAll(/^/gm, '# '))
    assert.deepEqual(kinds(dry.difference.changes), [
      'create-acl',
      'create-acl',
      'create-acl',
      'create-acl',
      'move-group',
      'move-group',
      'set-quota',
    ])
    const round = await keepOnce(setup.keep(signal))
    assert.deepEqual(differenceJson(round.difference), differenceJson(dry.difference))
    const texts = (changes: readonly object[]) => changes.map(change => JSON.stringify(change)).sort()
    assert.deepEqual(texts(round.done.map(({ change }) => change)), texts(dry.difference.changes))
    assert.ok(round.done.every(({ error }) => error === null))
    const after = await until(look, ({ difference }) => difference.changes.length === 0)
    assert.deepEqual(after.difference.changes, [])
    assert.deepEqual(await rulesOf(hub, 'dry'), [
      'User:bad may not read topic dry',
      'User:local may read topic dry',
      'User:reader may describeConfigs topic dry',
      'User:reader may read topic dry',
    ])
    assert.deepEqual(await rulesOf(hub, 'dry-readers'), ['User:reader may read group dry-readers'])
    assert.deepEqual(
      (await hub.admin.groupPositions(['dry-readers', 'others'])).map(each => each.positions),
      [
        [
          { topic: 'dry', partition: 0, offset: 2, metadata: 'note' },
          { topic: 'dry', partition: 1, offset: 0, metadata: '' },
        ],
        [],
      ],
    )
    assert.deepEqual(await hub.admin.describeQuotas(), [
      { entity: { user: 'reader' }, values: { consumerBytesPerSecond: 5_000_000 } },
    ])
  })

  test('rules that are added, revoked, or taken away at the target follow by themselves; foreign ones stay', async () => {
    const { edge, hub } = sides
    await topic('rules')
    await using setup = await switchSetup(sides, 'rules', ['rules'], {
      keep: { acls: { include: ['User:*'], exclude: ['User:ops'] }, everyMs: 500 },
      follows: true,
    })
    await setup.link.start(signal)
    await until(
      () => end(hub, 'rules'),
      found => found === 0,
    )
    const foreign = [rule('local', 'read', 'topic', 'rules'), rule('both', 'read', 'topic', 'rules')]
    await grant(hub, foreign)
    const followed = rule('app', 'read', 'topic', 'rules')
    await grant(edge, [
      followed,
      rule('ops', 'read', 'topic', 'rules'),
      rule('both', 'read', 'topic', 'rules'),
    ])
    const [local, app, both] = ['local', 'app', 'both'].map(who => `User:${who} may read topic rules`)
    const at = (texts: readonly (string | undefined)[]) => (found: readonly string[]) =>
      found.join() === [...texts].sort().join()
    const rules = () => rulesOf(hub, 'rules')
    await until(rules, at([local, app, both]))
    await hub.admin.deleteAcls([followed])
    const taken = Date.now()
    await until(
      async () => setup.status()?.keep,
      found => found !== undefined && found.roundAt !== null && found.roundAt >= taken && found.changed === 1,
    )
    await until(rules, at([local, app, both]))
    await edge.admin.deleteAcls([followed, rule('both', 'read', 'topic', 'rules')])
    await until(rules, at([local, both]))
  })

  test('another worker goes on with what the first put there, and takes away what is revoked after it left', async () => {
    const { edge, hub } = sides
    await topic('handed')
    await using setup = await switchSetup(sides, 'handed', ['handed'], {
      keep: { acls: { include: ['User:*'] }, groups: { include: ['handed-*'] }, everyMs: 500 },
      follows: true,
    })
    await write(edge, 'handed', ['0', '1'])
    await setup.link.start(signal)
    await until(
      () => end(hub, 'handed'),
      found => found === 2,
    )
    const rules = () => rulesOf(hub, 'handed')
    const followed = rule('app', 'read', 'topic', 'handed')
    const commit = (offset: number) =>
      edge.admin.commitPositions([
        { group: 'handed-readers', topic: 'handed', partition: 0, offset, metadata: '' },
      ])
    await grant(edge, [followed])
    await commit(1)
    await until(rules, found => found.length === 1)
    await until(
      () => position(hub, 'handed-readers'),
      found => found === 1,
    )
    await setup.addWorker('handed-second')
    await setup.leave('handed-first')
    await edge.admin.deleteAcls([followed])
    await commit(2)
    await until(rules, found => found.length === 0)
    await until(
      () => position(hub, 'handed-readers'),
      found => found === 2,
    )
    assert.deepEqual(setup.journal.state().links['handed']?.keeps?.state.acls, [])
  })

  test('a group’s position follows within the stated freshness: forward, back after a reset, and never past the copy', async () => {
    const { edge, hub } = sides
    await topic('follow')
    await write(edge, 'follow', ['0', '1', '2', '3', '4'])
    await using setup = await switchSetup(sides, 'follow', ['follow'], {
      keep: { groups: { include: ['follow-*'] }, everyMs: 500 },
      follows: true,
    })
    await setup.link.start(signal)
    await until(
      () => end(hub, 'follow'),
      found => found === 5,
    )
    const group = 'follow-readers'
    const groupStatus = async () => setup.status()?.keep?.groups.find(each => each.group === group)
    const address = { bootstrap: edge.cluster.bootstrap, tls: (await edge.as('admin')).identity }
    const reader = await startReader(address, group, 'follow')
    await until(
      () => position(hub, group),
      found => found === 5,
    )
    const status = await until(groupStatus, found => found?.state === 'in-step')
    console.log(`# fresh to ${status!.freshnessMs} ms, from seen to moved ${status!.seenToMovedMs} ms`)
    assert.ok(status!.asOf !== null && status!.seenToMovedMs !== null)
    await reader.stop()

    // While the link may not write the copy stands still, and the group does not go past it.
    const denied = rule(LINK_PRINCIPAL, 'write', 'topic', 'follow', { permission: 'deny' })
    await grant(hub, [denied])
    await write(edge, 'follow', ['5', '6', '7'])
    const commit = (offset: number) =>
      edge.admin.commitPositions([{ group, topic: 'follow', partition: 0, offset, metadata: '' }])
    await commit(8)
    const held = await until(groupStatus, found => found?.state === 'held')
    assert.equal(held!.heldRecords, 3)
    assert.equal(await position(hub, group), 5)
    await hub.admin.deleteAcls([denied])
    await until(
      () => position(hub, group),
      found => found === 8,
    )

    await commit(1)
    await until(
      () => position(hub, group),
      found => found === 1,
    )
  })

  test('a group that reads at the target is left alone there, and goes its own way afterwards', async () => {
    const { edge, hub } = sides
    await topic('local')
    await write(edge, 'local', ['0', '1', '2', '3'])
    await using setup = await switchSetup(sides, 'local', ['local'], {
      keep: { groups: { include: ['both'] } },
    })
    await setup.link.start(signal)
    await until(
      () => end(hub, 'local'),
      found => found === 4,
    )
    const address = { bootstrap: hub.cluster.bootstrap, tls: (await hub.as('admin')).identity }
    const reader = await startReader(address, 'both', 'local')
    await until(
      () => position(hub, 'both'),
      found => found === 4,
    )
    await edge.admin.commitPositions([
      { group: 'both', topic: 'local', partition: 0, offset: 1, metadata: '' },
    ])
    const leaves = async (reason: RegExp) => {
      const { difference, done } = await keepOnce(setup.keep(signal))
      assert.deepEqual(done, [])
      assert.match(difference.left[0]!.reason, reason)
    }
    await leaves(/it has gone on to 4 at the target, the source's is at 1/)
    await reader.stop()
    await until(
      async () => (await hub.admin.listGroups()).groups.find(({ id }) => id === 'both')?.state,
      state => state === 'Empty',
    )
    await leaves(/it has gone on to 4 at the target/)
    await write(edge, 'local', ['4', '5'])
    await edge.admin.commitPositions([
      { group: 'both', topic: 'local', partition: 0, offset: 6, metadata: '' },
    ])
    await leaves(/it stands at 4, where this link did not put it/)
    assert.equal(await position(hub, 'both'), 4)
  })
})
