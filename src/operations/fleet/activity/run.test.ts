import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type AppendFate, createMemoryTopic, type MemoryTopic } from '../../../../test/journal/memory-log.ts'
import { seededRandom } from '../../../../test/wire/random.ts'
import type { OrderedLog } from '../../../foundation/journal/contract.ts'
import { openJournal } from '../../../foundation/journal/journal.ts'
import { decodeRecord } from '../../../foundation/journal/record.ts'
import { emptyReplica, replay } from '../../../foundation/journal/replica.ts'
import { silentLogger } from '../../../foundation/log/log.ts'
import type { Activity } from './contract.ts'
import { activityMachine } from './machine.ts'
import { type Outbox, openOutbox } from './outbox.ts'
import { type RunningActivity, runActivity } from './run.ts'
import { entry } from './testing.ts'

const done = (told: Activity): Activity => ({
  ...told,
  revision: told.revision + 1,
  outcome: 'done',
  endedAt: told.at + 1,
})

interface Machine {
  readonly outbox: () => Outbox
  readonly copy: string
  run(options?: {
    readonly outbox?: Outbox
    readonly openLog?: (() => Promise<OrderedLog>) | undefined
    readonly end?: AbortController
    readonly submitMs?: number
    /** It never comes to rest. */
    readonly dies?: boolean
  }): Promise<RunningActivity>
}

async function machine(t: TestContext, topic: MemoryTopic | undefined, host = 'edge-01'): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-activity-'))
  const running: RunningActivity[] = []
  const ends = new Set<AbortController>()
  t.after(async () => {
    for (const end of ends) end.abort()
    await Promise.all(running.map(({ ended }) => ended))
    await rm(folder, { recursive: true })
  })
  const outbox = () => openOutbox({ directory: join(folder, 'outbox'), host })
  const copy = join(folder, 'control', 'activity.json')
  return {
    outbox,
    copy,
    async run({
      outbox: given,
      openLog = topic && (async () => topic.open()),
      end = new AbortController(),
      dies = false,
      submitMs,
    } = {}) {
      ends.add(end)
      const log = await runActivity({
        outbox: given ?? outbox(),
        ...(openLog !== undefined && { journal: { cluster: 'hub', openLog } }),
        copy,
        now: Date.now,
        signal: end.signal,
        logger: silentLogger,
        lookMs: 5,
        ...(submitMs !== undefined && { submitMs }),
      })
      if (!dies) running.push(log)
      return log
    },
  }
}

async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (const end = Date.now() + 60_000; Date.now() < end; await delay(5)) {
    const found = await look()
    if (found !== undefined && found !== false) return found
  }
  throw new Error(`not in time: ${what}`)
}

const isEmpty = async (outbox: Outbox): Promise<boolean> => (await outbox.look()).length === 0
const all = (log: RunningActivity): readonly Activity[] => log.list({ limit: 10_000, search: '' })
const namesOf = (entries: readonly Activity[]) => entries.map(({ id, revision }) => `${id}.${revision}`)

/** What was ever accepted, by the journal's own rule over everything that was ever in the log. */
function acceptedIn({ everything }: MemoryTopic): string[] {
  let replica = emptyReplica(activityMachine)
  const accepted: string[] = []
  for (const { offset, value } of everything) {
    const step = replay(activityMachine, replica, offset, decodeRecord(value, `offset ${offset}`))
    replica = step.replica
    if (step.verdict.kind === 'accepted')
      accepted.push(`${step.verdict.command.entry.id}.${step.verdict.command.entry.revision}`)
  }
  return accepted
}

test('what any process tells is listed at once, carried, and taken out of the outbox when it has ended', async t => {
  const topic = createMemoryTopic()
  const { outbox, run } = await machine(t, topic)
  const log = await run()
  const heard: Activity[] = []
  log.onEntry(each => heard.push(each), AbortSignal.timeout(60_000))
  const told = await log.record(entry())
  assert.deepEqual(log.get('e0'), told)
  await until('it is noted as told', async () => (await outbox().look())[0]?.told)
  await outbox().put(done(told))
  await until('its end is carried', () => isEmpty(outbox()))
  assert.deepEqual(all(log), [done(told)])
  assert.deepEqual(namesOf(heard), ['e0.0', 'e0.1'])
  assert.deepEqual(acceptedIn(topic), ['e0.0', 'e0.1'])
  const standing = await until('the journal is followed', () => {
    const now = log.journal()
    return now.state === 'following' && now
  })
  assert.deepEqual([standing.cluster, standing.waiting, standing.problem], ['hub', 0, null])
})

test('machines share one list, newest first, in pages, found by text', async t => {
  const topic = createMemoryTopic()
  const [one, other] = [await machine(t, topic), await machine(t, topic, 'hub-01')]
  const [first, second] = [await one.run(), await other.run()]
  for (let index = 0; index < 5; index++) {
    const of = index % 2 === 0 ? first : second
    await of.record(entry({ id: `e${index}`, at: index, ...(index === 3 && { actor: 'Ada' }) }))
  }
  for (const log of [first, second]) await until('all are there', () => all(log).length === 5)
  assert.deepEqual(all(first), all(second))
  const page = first.list({ limit: 2, search: '' })
  assert.deepEqual(namesOf(page), ['e4.0', 'e3.0'])
  assert.deepEqual(namesOf(first.list({ limit: 2, search: '', before: 'e3' })), ['e2.0', 'e1.0'])
  assert.deepEqual(namesOf(second.list({ limit: 9, search: 'ada' })), ['e3.0'])
  assert.deepEqual(first.list({ limit: 9, search: '', before: 'gone-for-long' }), [])
})

test('while the journal is away the list is what it held, and all that this machine tells; then it catches up', async t => {
  const topic = createMemoryTopic()
  const { outbox, run } = await machine(t, topic)
  const other = await (await machine(t, topic, 'hub-01')).run()
  const before = new AbortController()
  const log = await run({ end: before })
  await other.record(entry({ id: 'theirs', at: 1 }))
  await log.record({ ...entry({ id: 'ours', at: 2 }), outcome: 'done', endedAt: 3 })
  await until('both are there', () => all(log).length === 2)
  await until('ours is carried', () => isEmpty(outbox()))
  before.abort()

  let away = true
  const openLog = async () => {
    if (away) throw new Error('no broker answers')
    return topic.open()
  }
  const blind = await run({ openLog })
  await other.record(entry({ id: 'unheard', at: 4 }))
  await outbox().put(entry({ id: 'late', at: 5 }))
  await until('it is listed', () => blind.get('late'))
  assert.deepEqual(namesOf(all(blind)), ['late.0', 'ours.0', 'theirs.0'])
  const standing = await until('why is known', () => {
    const now = blind.journal()
    return now.problem === 'no broker answers' && now
  })
  assert.deepEqual([standing.state, standing.waiting], ['away', 1])
  assert.ok(standing.awaySince !== null && standing.asOf !== null && standing.asOf <= standing.awaySince)

  away = false
  await until('it has caught up', () => blind.get('unheard') && blind.journal().state === 'following')
  await until('the others hear', () => other.get('late'))
  assert.equal(blind.journal().waiting, 0)
})

test('a journal that takes nothing is said, with what waits, and is tried until it does', async t => {
  const topic = createMemoryTopic()
  const { run } = await machine(t, topic)
  let refusing = true
  const log = await run({
    submitMs: 50,
    async openLog() {
      const open = topic.open()
      return {
        ...open,
        // As a broker that is alone: it answers, and takes no write.
        async append(values, signal) {
          while (refusing) await delay(5, undefined, { signal })
          await open.append(values, signal)
        },
      }
    },
  })
  await log.record(entry())
  const standing = await until('it is said', () => {
    const now = log.journal()
    return now.problem !== null && now.state === 'following' && now
  })
  assert.equal(standing.waiting, 1)
  refusing = false
  await until('it is carried', () => acceptedIn(topic).length === 1 && log.journal().problem === null)
})

test('without a journal the list is what waits', async t => {
  const { outbox, run } = await machine(t, undefined)
  await outbox().put(entry())
  const log = await run()
  assert.deepEqual(all(log), [entry()])
  assert.deepEqual(log.journal(), {
    state: 'none',
    cluster: null,
    asOf: null,
    awaySince: null,
    problem: null,
    waiting: 1,
  })
})

test('a copy that cannot be read is no copy', async t => {
  const { copy, run } = await machine(t, createMemoryTopic())
  await mkdir(dirname(copy))
  await writeFile(copy, '{"asOf": 1, "entries": [{}]}')
  const blind = await run({ openLog: async () => Promise.reject(new Error('away')) })
  assert.equal(blind.journal().asOf, null)
})

test('what was told while a log loses, doubles and hides appends is in the journal, each telling once', async t => {
  const random = seededRandom()
  t.diagnostic(`seed ${random.seed}`)
  const topic = createMemoryTopic()
  const fates: AppendFate[] = ['written', 'written', 'lost', 'twice', 'unacknowledged']
  const { outbox, run } = await machine(t, topic)
  const openLog = async () => topic.open(() => random.pick(fates))
  // Two carry at once, as when a new process starts before the old one has ended.
  const [log] = await Promise.all([run({ openLog }), run({ openLog })])
  for (let index = 0; index < 60; index++) {
    const told = await outbox().put(entry({ id: `e${index}`, at: index }))
    if (random.next() < 0.3) await delay(random.integer(5))
    await outbox().put(done(told))
  }
  await until('all is carried', () => isEmpty(outbox()))
  const accepted = acceptedIn(topic)
  assert.equal(new Set(accepted).size, accepted.length)
  for (let index = 0; index < 60; index++) assert.ok(accepted.includes(`e${index}.1`))
  assert.equal(all(log).length, 60)
})

/**
 * A process that dies before its n-th step that anybody could notice (appending, making room, marking): what it does from
 * then on never happens. Answers whether it died.
 */
function mortal(n: number) {
  let steps = 0
  const never = new Promise<never>(() => {})
  const lives = async <T>(step: () => Promise<T>): Promise<T> => {
    if (steps >= n) return never
    steps++
    return step()
  }
  return {
    died: () => steps >= n,
    log: (log: OrderedLog): OrderedLog => ({
      ...log,
      append: (values, signal) => lives(() => log.append(values, signal)),
      deleteBefore: (offset, signal) => lives(() => log.deleteBefore(offset, signal)),
    }),
    outbox: (outbox: Outbox): Outbox => ({
      ...outbox,
      markTold: waiting => lives(() => outbox.markTold(waiting)),
      remove: waiting => lives(() => outbox.remove(waiting)),
    }),
  }
}

test('killed before any of its steps, a carrier loses nothing and doubles nothing', async t => {
  for (let n = 0, finished = false; !finished; n++) {
    const topic = createMemoryTopic()
    const { outbox, run } = await machine(t, topic)
    const told = [0, 1, 2].map(index => entry({ id: `e${index}`, at: index }))
    for (const each of told) await outbox().put(each)
    const { died, log, outbox: dying } = mortal(n)
    const end = new AbortController()
    await run({ outbox: dying(outbox()), openLog: async () => log(topic.open()), end, dies: true })
    await until(
      'it has died, or done its work',
      async () => died() || (await outbox().look()).every(waiting => waiting.told),
    )
    // Further news, and the end of one, which nobody carries for now.
    for (const each of told.slice(1)) await outbox().put(done(each))
    await until('it has died, or done this too', async () => died() || (await outbox().look()).length === 1)
    finished = !died()
    const next = await run()
    await until('another has done the rest', async () => {
      const waiting = await outbox().look()
      return waiting.length === 1 && waiting[0]!.told && next.journal().waiting === 0
    })
    const accepted = acceptedIn(topic)
    assert.equal(new Set(accepted).size, accepted.length, `n=${n}: ${accepted}`)
    const journal = await openJournal({ log: topic.open(), machine: activityMachine })
    assert.deepEqual(journal.state().entries, [told[0], done(told[1]!), done(told[2]!)], `n=${n}`)
    await journal.close()
    end.abort()
    assert.ok(n < 40)
  }
})
