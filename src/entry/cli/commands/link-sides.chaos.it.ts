import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  HOME_LINK,
  HOME_PARTITIONS,
  HOME_TOPIC,
  type HomeSides,
  startHomeSides,
} from '../../../../test/mirror/home.ts'
import { startWriter } from '../../../../test/mirror/readers.ts'
import { grant, rule, type Side, type Sides } from '../../../../test/mirror/sides.ts'
import { seededRandom } from '../../../../test/wire/random.ts'
import { batchOf, readTopic } from '../../../../test/wire/records.ts'
import { describeAcl } from '../../../foundation/kafka/security.ts'

const KEEP_ROUNDS = Number(process.env['AJNA_TEST_ROUNDS'] ?? 8)
const APPS = ['app-0', 'app-1', 'app-2', 'app-3']
const GROUPS = ['kept-0', 'kept-1', 'kept-2']
const LOOK_MS = 20
/** Between two rounds of keeping, or in one: after something of it is seen, the rest takes about so long. */
const KILLED_WITHIN_MS = 1_200
const ROUND_KILLED_WITHIN_MS = 60
/** An act of a switch takes about so long. */
const ACT_KILLED_WITHIN_MS = 40
const MAX_ATTEMPTS = 60

describe('what keeps a link’s target in step, and what switches its sides, is killed at any moment', () => {
  const signal = AbortSignal.timeout(600_000)
  const random = seededRandom()
  let at: HomeSides
  let sides: Sides
  let role: ChildProcess

  before(async () => {
    console.log(`# seed ${random.seed}`)
    at = await startHomeSides({
      acls: ['User:app-*'],
      quotas: ['user=app-*'],
      groups: ['kept-*'],
      foreignPositions: 'leave',
      everyMs: 500,
    })
    sides = at.sides
    role = at.startRole()
  })

  after(async () => {
    if (role !== undefined) await killed(role)
    await at?.[Symbol.asyncDispose]()
  })

  async function killed(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  async function killRole(): Promise<void> {
    await killed(role)
    role = at.startRole()
  }

  async function ends(side: Side): Promise<number[]> {
    const [found] = await side.admin.describeTopics([HOME_TOPIC], { signal })
    if (found?.partitions.length !== HOME_PARTITIONS) return Array(HOME_PARTITIONS).fill(0)
    const queries = found.partitions.map(({ partition }) => ({
      topic: HOME_TOPIC,
      partition,
      at: 'latest' as const,
    }))
    return (await side.admin.listOffsets(queries, { signal })).map(({ offset }) => offset ?? 0)
  }

  /** Positions by group and partition; -1: none. */
  async function positions(side: Side): Promise<number[]> {
    const found = await side.admin.groupPositions(GROUPS, { signal })
    return GROUPS.flatMap(group => {
      const its = found.find(each => each.group === group)?.positions ?? []
      return Array.from(
        { length: HOME_PARTITIONS },
        (_, partition) => its.find(each => each.partition === partition)?.offset ?? -1,
      )
    })
  }

  const rules = async (side: Side, of: (principal: string) => boolean = () => true): Promise<string[]> =>
    (await side.admin.describeAcls({ signal }))
      .filter(({ principal }) => of(principal))
      .map(describeAcl)
      .sort()

  const quotas = async (side: Side): Promise<string[]> =>
    (await side.admin.describeQuotas({ signal })).map(each => JSON.stringify(each)).sort()

  const atTarget = async (): Promise<string> =>
    JSON.stringify(await Promise.all([rules(sides.hub), quotas(sides.hub), positions(sides.hub)]))

  async function until<Value>(
    what: string,
    look: () => Promise<Value>,
    is: (value: Value) => boolean,
  ): Promise<Value> {
    for (let times = 1; ; times++) {
      const value = await look()
      if (is(value)) return value
      if (times % 500 === 0) console.log(`# waiting until ${what}: ${JSON.stringify(value)}`)
      await sleep(LOOK_MS, undefined, { signal })
    }
  }

  /** In step: what is at the target is what the source says, and what was the target's own. */
  async function inStep(foreign: readonly string[]): Promise<void> {
    const { edge, hub } = sides
    const isApp = (principal: string): boolean => principal.startsWith('User:app-')
    const wanted = [...(await rules(edge, isApp)), ...foreign].sort()
    await until(
      'the rules are the source’s',
      () => rules(hub, principal => isApp(principal) || principal === 'User:local'),
      found => found.join() === wanted.join(),
    )
    const limits = (await quotas(edge)).join()
    await until(
      'the quotas are the source’s',
      () => quotas(hub),
      found => found.join() === limits,
    )
    const committed = (await positions(edge)).join()
    await until(
      'the positions are the source’s',
      () => positions(hub),
      found => found.join() === committed,
    )
  }

  /** Looks on until it is told to stop: no position may be past the copy, and none goes back while none goes back at the source. */
  function watchPositions(stop: AbortSignal): Promise<number> {
    return (async () => {
      let before = await positions(sides.hub)
      let looks = 0
      while (!stop.aborted) {
        const now = await positions(sides.hub)
        const copied = await ends(sides.hub)
        for (const [index, position] of now.entries()) {
          assert.ok(position <= copied[index % HOME_PARTITIONS]!, `${position} is past the copy: ${copied}`)
          assert.ok(position >= before[index]!, `a position went back from ${before[index]} to ${position}`)
        }
        before = now
        looks++
        await sleep(20)
      }
      return looks
    })()
  }

  test('the worker that keeps a target in step: no right is left over or missing, no position is wrong', async () => {
    const { edge, hub } = sides
    const foreign = [rule('local', 'read', 'topic', HOME_TOPIC)]
    await grant(hub, foreign)
    await until(
      'there is a copy',
      () => hub.admin.describeTopics([HOME_TOPIC], { signal }),
      ([topic]) => {
        return topic?.partitions.length === HOME_PARTITIONS
      },
    )
    await using producer = await (await edge.as('writer')).wire.producer({}, signal)
    const committed = GROUPS.map(() => Array<number>(HOME_PARTITIONS).fill(0))
    const granted = new Set<string>()
    let written = 0

    async function change(): Promise<void> {
      for (let more = random.integer(6); more >= 0; more--)
        await producer.append(HOME_TOPIC, written++ % HOME_PARTITIONS, batchOf('record'))
      const app = random.pick(APPS)
      const right = rule(app, 'read', 'topic', HOME_TOPIC)
      if (granted.has(app)) await edge.admin.deleteAcls([right])
      else await grant(edge, [right])
      if (!granted.delete(app)) granted.add(app)
      const limit = random.integer(2) === 0 ? null : 1_000_000 + random.integer(1_000_000)
      await edge.admin.alterQuotas([
        { entity: { user: random.pick(APPS) }, set: { consumerBytesPerSecond: limit } },
      ])
      const last = await ends(edge)
      const moved = GROUPS.flatMap((group, index) =>
        last.map((end, partition) => {
          const from = committed[index]![partition]!
          const offset = from + random.integer(end - from + 1)
          committed[index]![partition] = offset
          return { group, topic: HOME_TOPIC, partition, offset, metadata: '' }
        }),
      )
      await edge.admin.commitPositions(moved)
    }

    const stop = new AbortController()
    const watching = watchPositions(stop.signal)
    watching.catch(() => undefined)
    try {
      for (let round = 1; round <= KEEP_ROUNDS; round++) {
        const before = await atTarget()
        for (let times = random.integer(3); times >= 0; times--) await change()
        // At whichever moment, or as soon as a round is seen to be under way.
        if (round % 3 === 0) await sleep(random.integer(KILLED_WITHIN_MS))
        else {
          await until('a round is under way', atTarget, found => found !== before)
          await sleep(random.integer(ROUND_KILLED_WITHIN_MS))
        }
        await killRole()
        if (round % 4 !== 0) continue
        await inStep(foreign.map(describeAcl))
        console.log(`# round ${round}: in step`)
      }
    } finally {
      stop.abort()
    }
    await inStep(foreign.map(describeAcl))
    console.log(`# ${await watching} looks at positions, ${written} records, ${KEEP_ROUNDS} kills`)
    await hub.admin.deleteAcls(foreign)
  })

  /**
   * A command that is killed once in each act it says it begins, at some moment of it, and typed again each time, until it
   * ends by itself.
   *
   * @returns the acts it was killed in
   */
  async function carriedThroughKills(...args: readonly string[]): Promise<string[]> {
    const hit = new Set<string>()
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const child = at.begin(...args)
      const closed = once(child, 'close')
      let said = ''
      let act: string | undefined
      for await (const chunk of child.stderr!) {
        said += chunk
        act = [...said.matchAll(/^… (.+)$/gm)].map(([, text]) => text!).findLast(text => !hit.has(text))
        if (act !== undefined) break
      }
      if (act === undefined) {
        await closed
        // Killed when all was done and only that had not been said, it has nothing to go on with.
        const isDone = child.exitCode === 3 && hit.size > 0 && / is the original( already)?/.test(said)
        if (child.exitCode === 0 || isDone) return [...hit]
        // Stuck, since the worker it waited for was killed as well: the same command goes on.
        assert.equal(child.exitCode, 1, said)
        console.log(`# ${said.trim().split('\n').at(-1)}`)
        continue
      }
      hit.add(act)
      if (random.integer(4) === 0) await killRole()
      await sleep(random.integer(ACT_KILLED_WITHIN_MS))
      await killed(child)
    }
    throw new Error(`${args.join(' ')} did not come to its end`)
  }

  test('the command that switches the sides, in each of its acts: it goes on, nothing is lost, repeated or left over', async () => {
    const { edge, hub } = sides
    const before = { edge: await rules(edge), hub: await rules(hub) }
    const begun = (await ends(edge)).reduce((sum, end) => sum + end, 0)
    const addressOf = async (side: Side) => ({
      bootstrap: side.cluster.bootstrap,
      tls: (await side.as('writer')).identity,
    })
    await using writer = startWriter(
      [await addressOf(edge), await addressOf(hub)],
      HOME_TOPIC,
      HOME_PARTITIONS,
      5,
    )
    const stood = await positions(edge)

    const promoted = await carriedThroughKills('link', 'promote', HOME_LINK)
    console.log(`# promote, killed in: ${promoted.join('; ')}`)
    assert.deepEqual(await positions(hub), stood)
    const atHub = writer.written
    await until(
      'the writer writes at the hub',
      async () => writer.written,
      found => found > atHub + 20,
    )

    const back = await carriedThroughKills('link', 'failback', HOME_LINK)
    console.log(`# failback, killed in: ${back.join('; ')}`)
    assert.deepEqual(await positions(edge), stood)
    const atEdge = writer.written
    await until(
      'the writer writes at the edge',
      async () => writer.written,
      found => found > atEdge + 20,
    )
    const written = await writer.stop()
    await until(
      'the copy is whole',
      async () => [await ends(edge), await ends(hub)].join('|'),
      both => {
        const [theirs, ours] = both.split('|')
        return theirs === ours
      },
    )
    const [theirs, ours] = [
      await readTopic(edge.wire, HOME_TOPIC, HOME_PARTITIONS, signal),
      await readTopic(hub.wire, HOME_TOPIC, HOME_PARTITIONS, signal),
    ]
    assert.deepEqual(ours, theirs)
    assert.equal(ours.flat().length, begun + written)
    const numbers = ours.flat().flatMap(({ value }) => (value === 'record' ? [] : [Number(value)]))
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      Array.from({ length: written }, (_, n) => n),
      'nothing lost, nothing repeated',
    )
    const verified = await at.ajna('link', 'verify', HOME_LINK)
    assert.equal(verified.code, 0, verified.out + verified.err)
    assert.deepEqual(
      { edge: await rules(edge), hub: await rules(hub) },
      before,
      'no rule is left over or missing',
    )
    console.log(`# ${written} records through two switches with ${promoted.length + back.length} kills`)
  })
})
