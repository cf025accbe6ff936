import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type HomeSides,
  HOME_LINK as LINK,
  startHomeSides,
  HOME_TOPIC as TOPIC,
} from '../../../../test/mirror/home.ts'
import type { Side, Sides } from '../../../../test/mirror/sides.ts'
import { batchOf } from '../../../../test/wire/records.ts'
import type { Home } from '../../home.ts'
import { outboxOf } from '../../outbox.ts'

describe('a declared link, kept in step and switched by the ajna program, its worker being the mirror role', () => {
  const signal = AbortSignal.timeout(200_000)
  let at: HomeSides
  let home: Home
  let sides: Sides
  let role: ChildProcess

  before(async () => {
    at = await startHomeSides({
      acls: [],
      quotas: [],
      groups: ['kept-*'],
      foreignPositions: 'leave',
      everyMs: 500,
    })
    ;({ home, sides } = at)
    role = at.startRole()
  })

  after(async () => {
    if (role?.exitCode === null && role.kill('SIGTERM')) await once(role, 'exit')
    await at?.[Symbol.asyncDispose]()
  })

  const ajna = (...args: readonly string[]) => at.ajna(...args)

  async function write(side: Side, values: readonly string[]): Promise<void> {
    await using producer = await (await side.as('writer')).wire.producer({}, signal)
    for (const [index, value] of values.entries()) await producer.append(TOPIC, index % 2, batchOf(value))
  }

  const ends = async (side: Side): Promise<string> => {
    const [found] = await side.admin.describeTopics([TOPIC], { signal })
    const queries = (found?.partitions ?? []).map(({ partition }) => {
      return { topic: TOPIC, partition, at: 'latest' as const }
    })
    return (await side.admin.listOffsets(queries, { signal })).map(({ offset }) => offset).join()
  }

  async function endsAre(side: Side, expected: string): Promise<void> {
    while ((await ends(side)) !== expected) await sleep(100, undefined, { signal })
  }

  test('rehearsed, promoted, failed back: each command says what it does, and its exit code how it went', async () => {
    const { edge, hub } = sides
    await write(edge, ['0', '1', '2', '3'])
    await endsAre(hub, '2,2')
    await edge.admin.commitPositions([
      { group: 'readers', topic: TOPIC, partition: 0, offset: 1, metadata: '' },
    ])

    // What the declaration names follows by itself, in the mirror role.
    await edge.admin.commitPositions([
      { group: 'kept-readers', topic: TOPIC, partition: 1, offset: 2, metadata: '' },
    ])
    const keptAt = async () =>
      (await hub.admin.groupPositions(['kept-readers']))[0]!.positions.map(({ offset }) => offset).join()
    while ((await keptAt()) !== '2') await sleep(100, undefined, { signal })
    assert.equal((await ajna('link', 'keep', 'none', '--groups', '*')).code, 2)
    const dry = await ajna('link', 'keep', LINK, '--groups', 'read*', '--dry-run', '--json')
    assert.equal(dry.code, 0, dry.err)
    const shown = JSON.parse(dry.out)
    assert.deepEqual(
      shown.changes.map(({ kind, group, to }: Record<string, unknown>) => [kind, group, to]),
      [['move-group', 'readers', 1]],
    )
    assert.deepEqual((await hub.admin.groupPositions(['readers']))[0]!.positions, [])
    const kept = await ajna('link', 'keep', LINK, '--groups', 'read*', '--json')
    assert.deepEqual([kept.code, JSON.parse(kept.out).changes], [0, shown.changes], kept.err)
    assert.match(
      (await ajna('link', 'keep', LINK, '--groups', '*', '--dry-run')).out,
      /the target is in step/,
    )

    assert.equal((await ajna('link', 'rehearse', LINK, 'destroy')).code, 2)
    const early = await ajna('link', 'rehearse', LINK, 'failback')
    assert.equal(early.code, 3)
    assert.match(early.out, /failback does not apply: the source is the original/)
    const rehearsal = await ajna('link', 'rehearse', LINK, 'promote')
    assert.equal(rehearsal.code, 0, rehearsal.out + rehearsal.err)
    process.stdout.write(rehearsal.out.replaceAll(/^/gm, '# '))
    assert.match(rehearsal.out, /Records lost: 0; read again: 0; skipped: 0\./)

    // Killed under way, the same command goes on.
    const child = at.begin('link', 'promote', LINK)
    let words = ''
    for await (const chunk of child.stderr!) {
      words += chunk
      if (words.includes('✓ close the topics')) break
    }
    if (child.kill('SIGKILL')) await once(child, 'exit')
    assert.equal(child.signalCode, 'SIGKILL', words)
    const promoted = await ajna('link', 'promote', LINK, '--json')
    assert.equal(promoted.code, 0, promoted.err)
    assert.match(promoted.err, /going on with the promotion of/)
    assert.equal(JSON.parse(promoted.out).phase, 'promoted')
    const stopped = JSON.parse(promoted.out).steps.find(({ name }: { name: string }) => name === 'stop-link')
    assert.deepEqual(stopped.evidence, { stopped: true, reason: '' })
    await assert.rejects(write(edge, ['closed']), /authoriz/i)
    await write(hub, ['4', '5', '6'])

    const again = await ajna('link', 'promote', LINK)
    assert.equal(again.code, 3)
    assert.match(
      again.err,
      /FAILOVER_REFUSED: promote: promote does not apply: the target is the original already/,
    )
    const demoted = await ajna('link', 'demote', LINK)
    assert.equal(demoted.code, 3)
    assert.match(demoted.err, /the target holds 2 records of orders-0 that the source lacks: fail back/)

    const stay = await ajna('link', 'failback', LINK, '--stay')
    assert.equal(stay.code, 0, stay.err)
    assert.match(stay.err, /done: edge-hub is returning/)
    await write(hub, ['7'])
    await endsAre(edge, '5,3')
    const back = await ajna('link', 'demote', LINK)
    assert.equal(back.code, 0, back.err)
    assert.match(back.err, /done: edge-hub is copying/)
    await assert.rejects(write(hub, ['closed']), /authoriz/i)
    await write(edge, ['8', '9'])
    await endsAre(hub, '6,4')
    const verified = await ajna('link', 'verify', LINK)
    assert.equal(verified.code, 0, verified.out + verified.err)

    const waiting = await outboxOf(home).look()
    const entries = waiting.map(({ entry }) => [entry.action, entry.outcome])
    assert.deepEqual(entries, [
      ['link.promote', 'done'],
      ['link.promote', 'refused'],
      ['link.demote', 'refused'],
      ['link.failback', 'done'],
      ['link.demote', 'done'],
    ])
  })
})
