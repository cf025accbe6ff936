import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Address,
  type Read,
  type Reader,
  startReader,
  startWriter,
} from '../../../../test/mirror/readers.ts'
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
import { javaClient } from '../../../../test/wire/java-client.ts'
import { batchOf, readTopic } from '../../../../test/wire/records.ts'
import { isAjnaError } from '../../../foundation/errors/errors.ts'
import { digestLog, firstDifference } from '../digest.ts'
import { keepOnce } from '../keep/run.ts'
import { FAILOVER_REFUSED, FAILOVER_STUCK } from './errors.ts'
import type { RehearsalOptions } from './rehearsal.ts'
import { carrySwitch, rehearseSwitch } from './run.ts'
import type { StepName } from './state.ts'

const promote: RehearsalOptions = { action: 'promote', planned: true, consents: [], stay: false }
const demote: RehearsalOptions = { ...promote, action: 'demote' }
const failback: RehearsalOptions = { ...promote, action: 'failback' }

describe('the sides of a link are switched, with certificates and rules', () => {
  const signal = AbortSignal.timeout(400_000)
  let sides: Sides
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ajna-failover-'))
    sides = await startSides()
  })

  after(async () => {
    await sides?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  async function topic(name: string, partitions: number): Promise<void> {
    const { edge, hub } = sides
    const layout = { partitions, replicationFactor: 1 }
    const config = { 'compression.type': 'lz4' }
    const [created] = await edge.admin.createTopics([{ name, layout, config }], { signal })
    assert.equal(created!.error, null)
    await grantLink(edge, hub, [name])
    await grantKeeping(edge, hub)
    await grant(edge, [rule('writer', 'write', 'topic', name)])
    for (const side of [edge, hub])
      await grant(side, [
        rule('reader', 'read', 'topic', name),
        rule('reader', 'read', 'group', `${name}-`, { pattern: 'prefixed' }),
      ])
  }

  const addressOf = async (side: Side, principal: string): Promise<Address> => ({
    bootstrap: side.cluster.bootstrap,
    tls: (await side.as(principal)).identity,
  })

  async function until<Value>(look: () => Promise<Value>, holds: (value: Value) => boolean): Promise<Value> {
    for (;;) {
      const value = await look()
      if (holds(value)) return value
      await sleep(50, undefined, { signal })
    }
  }

  async function ends(side: Side, name: string, partitions: number): Promise<number[]> {
    const [found] = await side.admin.describeTopics([name], { signal })
    if (found?.partitions.length !== partitions) return []
    const queries = Array.from({ length: partitions }, (_, partition) => {
      return { topic: name, partition, at: 'latest' as const }
    })
    return (await side.admin.listOffsets(queries, { signal })).map(({ offset }) => offset ?? -1)
  }

  async function sameLogs(name: string, partitions: number): Promise<number> {
    const { edge, hub } = sides
    const lasts = await ends(edge, name, partitions)
    assert.deepEqual(await ends(hub, name, partitions), lasts)
    for (const [partition, to] of lasts.entries()) {
      const range = { topic: name, partition, from: 0, to }
      assert.equal(await firstDifference(edge.wire, hub.wire, range, signal), undefined)
      const digests = await Promise.all(
        [edge, hub].map(side => digestLog(side.wire, range, 'records', signal)),
      )
      assert.deepEqual(digests[0], digests[1])
    }
    return lasts.reduce((sum, end) => sum + end, 0)
  }

  const caughtUp = (name: string, partitions: number, from: Side, to: Side): Promise<unknown> =>
    until(
      async () => [await ends(from, name, partitions), await ends(to, name, partitions)],
      ([theirs, ours]) => theirs!.length > 0 && theirs!.join() === ours!.join(),
    )

  test('groups of consumers move edge → hub → edge while a producer writes: nothing lost, nothing repeated', async () => {
    const { edge, hub } = sides
    const name = 'orders'
    const partitions = 3
    await topic(name, partitions)
    await using setup = await switchSetup(sides, name, [name], {
      keep: { acls: { include: ['User:*'] }, groups: { include: [`${name}-*`] }, everyMs: 500 },
      follows: true,
      waits: { drainMs: 120_000, stillMs: 120_000 },
    })
    const { context } = setup
    await setup.link.start(signal)
    await caughtUp(name, partitions, edge, hub)
    await using stack = new AsyncDisposableStack()
    const writer = startWriter(
      [await addressOf(edge, 'writer'), await addressOf(hub, 'writer')],
      name,
      partitions,
      5,
    )
    stack.use(writer)
    const groups = ['one', 'two'].map(each => `${name}-${each}`)
    /** What each group has read, at whichever side. */
    const read = new Map<string, Read[][]>(groups.map(group => [group, []]))
    const begin = async (side: Side, group: string): Promise<Reader> => {
      const reader = await startReader(await addressOf(side, 'reader'), group, name)
      stack.use(reader)
      read.get(group)!.push(reader.read)
      return reader
    }
    const total = (group: string) => read.get(group)!.reduce((sum, each) => sum + each.length, 0)
    let readers = await Promise.all(groups.map(group => begin(edge, group)))
    const enough = (more: number) => {
      const want = groups.map(group => total(group) + more)
      return until(
        async () => groups.map(total),
        found => found.every((each, at) => each >= want[at]!),
      )
    }
    await enough(100)

    /** Switches, and moves the readers as an operator would: one stops early, the other reads to the end first. */
    const move = async (
      options: RehearsalOptions,
      to: Side,
      drain: StepName,
      open: StepName,
    ): Promise<void> => {
      const rehearsal = await rehearseSwitch(context, options, signal)
      assert.deepEqual(rehearsal.forbids, [])
      assert.deepEqual(
        [rehearsal.lost, rehearsal.again, rehearsal.skipped],
        Array(3).fill({ atLeast: 0, atMost: 0 }),
      )
      assert.deepEqual(rehearsal.writers, { closed: ['User:writer'], opened: ['User:writer'] })
      const left = readers
      const first = left[0]!.stop()
      let moved: Promise<unknown> = Promise.resolve()
      await carrySwitch(
        context,
        {
          ...options,
          onStep: ({ name: step, endedAt, startedAt }) => {
            if (endedAt !== null) console.log(`# ${step} ${endedAt - startedAt} ms`)
            if (step === drain && endedAt !== null) moved = left[1]!.stop()
            if (step === open && endedAt !== null) console.log(`# ${writer.written} written when opened`)
          },
        },
        signal,
      )
      await Promise.all([first, moved])
      readers = await Promise.all(groups.map(group => begin(to, group)))
    }

    await move(promote, hub, 'drain-source-groups', 'open-target')
    assert.equal((await context.store.load())!.state.phase, 'promoted')
    const atHub = writer.written
    await until(
      async () => writer.written,
      found => found > atHub + 100,
    )
    await enough(100)
    // The edge's own settings were taken over by what is the original now.
    const settings = async (side: Side) =>
      (await side.admin.describeConfigs([{ kind: 'topic', name }]))[0]!.entries.get('compression.type')?.value
    assert.equal(await settings(hub), 'lz4')

    await move(failback, edge, 'drain-target-groups', 'open-source')
    const { state } = (await context.store.load())!
    assert.deepEqual(
      [state.phase, state.ours, state.operation],
      ['copying', { source: [], target: [] }, null],
    )
    assert.equal(await settings(edge), 'lz4')
    await enough(100)
    // Groups that have read at both sides are the link's to move again.
    const again = await rehearseSwitch(context, promote, signal)
    assert.deepEqual(
      [again.forbids, again.again, again.skipped],
      [[], { atLeast: 0, atMost: 0 }, { atLeast: 0, atMost: 0 }],
    )
    const written = await writer.stop()
    await until(
      async () => groups.map(total),
      found => found.every(each => each >= written),
    )
    for (const reader of readers) await reader.stop()
    await caughtUp(name, partitions, edge, hub)
    assert.equal(await sameLogs(name, partitions), written)
    const expected = Array.from({ length: written }, (_, n) => n)
    for (const group of groups) {
      const values = read
        .get(group)!
        .flat()
        .map(each => Number(each.value))
      assert.deepEqual(
        values.toSorted((a, b) => a - b),
        expected,
        `${group}: every record once`,
      )
      for (let partition = 0; partition < partitions; partition++) {
        const offsets = read
          .get(group)!
          .flat()
          .filter(each => each.partition === partition)
          .map(each => each.offset)
        assert.deepEqual(
          offsets,
          offsets.toSorted((a, b) => a - b),
          `${group}: in order`,
        )
      }
    }
    console.log(`# ${written} records through two switches, ${atHub} of them before the first`)
  })

  test('Java consumers of both protocols go on at the other side where they stood, to the record', async () => {
    const { edge, hub } = sides
    const name = 'java'
    await topic(name, 1)
    await using setup = await switchSetup(sides, name, [name], {
      keep: { groups: { include: [`${name}-*`] } },
    })
    const values = Array.from({ length: 20 }, (_, n) => `v${n}`)
    await using producer = await (await edge.as('writer')).wire.producer({}, signal)
    for (const value of values) await producer.append(name, 0, batchOf(value))
    await setup.link.start(signal)
    await caughtUp(name, 1, edge, hub)
    const read = async (side: Side, protocol: string, count: number): Promise<string[]> => {
      const { bootstrap } = side.cluster
      const config = await javaConfig(side)
      const args = ['group', bootstrap.join(), config, protocol, `${name}-${protocol}`, name, String(count)]
      const lines = (await javaClient(args)).trim().split('\n')
      return lines.map(line => Buffer.from(line.split(' ')[3]!.slice(1), 'hex').toString())
    }
    const javaConfig = async (side: Side): Promise<string> => {
      const { ca, cert, key } = (await side.as('reader')).identity
      const path = join(folder, `java-${side.name}.properties`)
      const line = (pem: string) => pem.trim().replaceAll('\n', '\\n')
      const settings = {
        'security.protocol': 'SSL',
        'ssl.keystore.type': 'PEM',
        'ssl.truststore.type': 'PEM',
        'ssl.keystore.certificate.chain': line(cert),
        'ssl.keystore.key': line(key),
        'ssl.truststore.certificates': line(ca),
      }
      await writeFile(
        path,
        Object.entries(settings)
          .map(([at, value]) => `${at}=${value}`)
          .join('\n'),
      )
      return path
    }
    const protocols = ['classic', 'consumer']
    for (const protocol of protocols) assert.deepEqual(await read(edge, protocol, 7), values.slice(0, 7))
    await carrySwitch(setup.context, promote, signal)
    for (const protocol of protocols) assert.deepEqual(await read(hub, protocol, 5), values.slice(7, 12))
    await carrySwitch(setup.context, failback, signal)
    for (const protocol of protocols) assert.deepEqual(await read(edge, protocol, 8), values.slice(12))
  })

  test('a promotion without the source says exactly what is lost; a failback keeps it and makes both sides equal', async () => {
    const { edge, hub } = sides
    const name = 'cut'
    await topic(name, 2)
    const group = `${name}-readers`
    await using setup = await switchSetup(sides, name, [name], {
      keep: { groups: { include: [`${name}-*`] } },
    })
    const { context } = setup
    const write = async (side: Side, partition: number, values: readonly string[]) => {
      await using producer = await (await side.as('writer')).wire.producer({}, signal)
      for (const value of values) await producer.append(name, partition, batchOf(value))
    }
    const named = (what: string, count: number) => Array.from({ length: count }, (_, n) => `${what}-${n}`)
    await write(edge, 0, named('both', 40))
    await write(edge, 1, named('both', 10))
    await setup.link.start(signal)
    await caughtUp(name, 2, edge, hub)
    const commit = (offset: number) =>
      edge.admin.commitPositions([{ group, topic: name, partition: 0, offset, metadata: '' }])
    await commit(25)
    await keepOnce(setup.keep(signal))
    // What the group reads now, nobody at the hub will know of.
    await commit(31)

    // The link is kept from writing, and sees how far the edge goes.
    const denied = rule(LINK_PRINCIPAL, 'write', 'topic', name, { permission: 'deny' })
    await grant(hub, [denied])
    await write(edge, 0, named('only-edge', 137))
    await until(
      async () => setup.status()?.partitions.find(each => each.topic === name && each.partition === 0),
      found => found?.sourceEnd === 177,
    )
    for (const node of edge.cluster.nodes) await node.kill('SIGKILL')

    const planned = await rehearseSwitch(context, promote, signal)
    assert.equal(planned.allowed, false)
    assert.ok(planned.forbids.some(({ code }) => code === 'source-unreachable'))
    const unplanned = { ...promote, planned: false }
    const rehearsal = await rehearseSwitch(context, unplanned, signal)
    console.log(`# ${rehearsal.forbids.map(({ text }) => text).join('\n# ')}`)
    assert.deepEqual(rehearsal.lost, { atLeast: 137, atMost: null })
    assert.deepEqual(
      rehearsal.partitions.map(({ partition, lostOffsets, lost }) => [partition, lostOffsets, lost.atLeast]),
      [
        [0, { from: 40, to: 177 }, 137],
        [1, null, 0],
      ],
    )
    assert.deepEqual(
      rehearsal.groups.map(({ after, again, skipped }) => [after, again, skipped]),
      [[25, { atLeast: 0, atMost: 15 }, { atLeast: 0, atMost: 0 }]],
    )
    await assert.rejects(carrySwitch(context, unplanned, signal), { code: FAILOVER_REFUSED.code, exit: 3 })
    await carrySwitch(
      { ...context, writers: ['User:writer'] },
      { ...unplanned, consents: ['accept-loss'] },
      signal,
    )
    await hub.admin.deleteAcls([denied])
    await until(
      async () =>
        write(hub, 0, ['only-hub-0']).then(
          () => true,
          () => false,
        ),
      done => done,
    )
    await write(hub, 0, named('only-hub', 20).slice(1))

    for (const node of edge.cluster.nodes) await node.start()
    await assert.rejects(carrySwitch(context, demote, signal), (error: unknown) => {
      assert.ok(isAjnaError(error, FAILOVER_REFUSED))
      assert.match(
        error.message,
        /the target holds 20 records of cut-0 that the source lacks, from offset 40: fail back/,
      )
      return true
    })
    const back = await rehearseSwitch(context, failback, signal)
    console.log(`# ${back.forbids.map(({ text }) => text).join('\n# ')}`)
    // Exactly what the promotion said.
    assert.deepEqual(back.lost, { atLeast: 137, atMost: 137 })
    assert.equal(back.allowed, false)
    await assert.rejects(carrySwitch(context, failback, signal), { code: FAILOVER_REFUSED.code })
    await carrySwitch(context, { ...failback, consents: ['recreate'] }, signal)

    await caughtUp(name, 2, edge, hub)
    assert.equal(await sameLogs(name, 2), 70)
    const [kept] = await readTopic(edge.wire, `${name}.diverged-op-2`, 2, signal)
    assert.deepEqual(
      kept!.map(({ value }) => value),
      named('only-edge', 137),
    )
    const [records] = await readTopic(edge.wire, name, 2, signal)
    assert.deepEqual(
      records!.map(({ value }) => value),
      [...named('both', 40), ...named('only-hub', 20)],
    )
    // The group goes on where it stood at the hub: 31 counted records that are not there any more.
    const [found] = await edge.admin.groupPositions([group])
    assert.equal(found!.positions[0]!.offset, 25)
    await write(edge, 0, ['after'])
    await caughtUp(name, 2, edge, hub)
    assert.equal(await sameLogs(name, 2), 71)
  })

  test('a switch that cannot be completed says what it waits for, goes on with a yes, or is taken back', async () => {
    const { edge, hub } = sides
    const name = 'stuck'
    await topic(name, 1)
    const group = `${name}-slow`
    await using setup = await switchSetup(sides, name, [name], {
      keep: { groups: { include: [`${name}-*`] } },
      waits: { drainMs: 500 },
    })
    const { context } = setup
    const write = async (side: Side, values: readonly string[]) => {
      await using producer = await (await side.as('writer')).wire.producer({}, signal)
      for (const value of values) await producer.append(name, 0, batchOf(value))
    }
    await write(edge, ['0', '1', '2'])
    await setup.link.start(signal)
    await caughtUp(name, 1, edge, hub)
    await edge.admin.commitPositions([{ group, topic: name, partition: 0, offset: 1, metadata: '' }])
    // A member that reads nothing: it waits for records of a topic nobody writes to.
    await topic('nothing', 1)
    await grant(edge, [rule('reader', 'read', 'group', group)])
    await using idle = await startReader(await addressOf(edge, 'reader'), group, 'nothing')
    const stuck = carrySwitch(context, promote, signal)
    await assert.rejects(stuck, (error: unknown) => {
      assert.ok(isAjnaError(error, FAILOVER_STUCK))
      assert.match(error.message, /drain-source-groups: group stuck-slow has 2 records to read/)
      return true
    })
    await assert.rejects(write(edge, ['closed']), /TOPIC_AUTHORIZATION_FAILED|authoriz/i)

    // Taken back: the edge is open again, and the link copies on.
    await carrySwitch(context, demote, signal)
    await write(edge, ['3'])
    await caughtUp(name, 1, edge, hub)
    assert.equal(await sameLogs(name, 1), 4)

    // With a yes it goes on: the group is moved as it stands.
    await assert.rejects(carrySwitch(context, promote, signal), { code: FAILOVER_STUCK.code })
    await carrySwitch(context, { ...promote, consents: ['allow-repeats'] }, signal)
    const [moved] = await hub.admin.groupPositions([group])
    assert.equal(moved!.positions[0]!.offset, 1)
    await idle.stop()

    // Nothing was written at the hub: a demotion at once is enough.
    const rehearsal = await rehearseSwitch(context, demote, signal)
    assert.deepEqual(rehearsal.forbids, [])
    await carrySwitch(context, demote, signal)
    await write(edge, ['4'])
    await assert.rejects(write(hub, ['closed']), /TOPIC_AUTHORIZATION_FAILED|authoriz/i)
    await caughtUp(name, 1, edge, hub)
    assert.equal(await sameLogs(name, 1), 5)
    const { past } = (await context.store.load())!.state
    assert.deepEqual(
      past.map(({ action, outcome }) => [action, outcome]),
      [
        ['promote', 'given-up'],
        ['demote', 'done'],
        ['promote', 'done'],
        ['demote', 'done'],
      ],
    )
  })
})
