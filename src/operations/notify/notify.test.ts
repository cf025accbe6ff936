import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { createMemoryTopic } from '../../../test/journal/memory-log.ts'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import { type Journal, openJournal } from '../../foundation/journal/journal.ts'
import type { Incident } from '../heal/contract.ts'
import type { DeliveriesCommand, DeliveriesState, Webhook } from './contract.ts'
import { dueOf, eventsOf } from './events.ts'
import { deliveriesMachine } from './machine.ts'
import { type DeliveriesJournal, type Notifier, type NotifierTimes, startNotifying } from './run.ts'
import { readSecrets, signed } from './sign.ts'
import { healedAfter, incidentOf, type Receiver, startReceiver } from './testing/receiver.ts'

const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes, so!').toString('base64')}`
const OTHER = `whsec_${Buffer.from('another of thirty-two bytes, so!!').toString('base64')}`
const deadline = () => AbortSignal.timeout(60_000)
let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ajna-notify-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function webhookTo(
  { url }: Pick<Receiver, 'url'>,
  more: Partial<Webhook> = {},
  secrets = SECRET,
): Promise<Webhook> {
  const { name = 'pager' } = more
  const secretFile = join(folder, `${name}-${Math.random()}.secret`)
  await writeFile(secretFile, `${secrets}\n`)
  const events = ['opened', 'proposed', 'acted', 'available', 'healed', 'failed'] as const
  return { name, url, secretFile, events, clusters: null, ...more }
}

interface Notifying extends AsyncDisposable {
  readonly notifier: Notifier
  readonly logged: readonly string[]
}

interface Started {
  readonly webhooks: readonly Webhook[]
  readonly incidents: () => readonly Incident[]
  readonly journal: () => DeliveriesJournal | undefined
  readonly holder?: string
  readonly times?: Partial<NotifierTimes>
  readonly now?: () => number
}

function start({
  webhooks,
  incidents,
  journal,
  holder = 'first',
  times,
  now = Date.now,
}: Started): Notifying {
  const stop = new AbortController()
  const logged: string[] = []
  const log = pino({ level: 'trace' }, { write: line => void logged.push(line) })
  const notifier = startNotifying({
    ...{ fleet: 'test', webhooks, incidents, journal, holder, now, log, signal: stop.signal },
    times: { lookMs: 5, timeoutMs: 5_000, retryMs: [20], ...times },
  })
  return {
    notifier,
    logged,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await notifier.done
    },
  }
}

type Deliveries = Journal<DeliveriesState, DeliveriesCommand>

/** Declared before anything happened. */
async function openDeliveries(topic = createMemoryTopic(), ...names: readonly string[]): Promise<Deliveries> {
  const journal = await openJournal({ log: topic.open(), machine: deliveriesMachine })
  for (const webhook of names.length === 0 ? ['pager'] : names)
    await journal.submit({ kind: 'declare', webhook, since: 0 })
  return journal
}

const idsOf = ({ received }: Receiver): string[] => received.map(({ id }) => id)
const isTold = ({ notifier }: Notifying): boolean =>
  notifier.standings().every(({ pending }) => pending === 0)

test('signs as the reference vector of Standard Webhooks says, by each secret of the file', async () => {
  const file = join(folder, 'vector.secret')
  await writeFile(file, `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\n${OTHER}\n`)
  const headers = signed(
    await readSecrets(file),
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    1_614_265_330_999,
    '{"test": 2432232314}',
  )
  assert.equal(headers['webhook-id'], 'msg_p5jXN8AQM9LWM0D4loKWxJek')
  assert.equal(headers['webhook-timestamp'], '1614265330')
  const [first, second] = headers['webhook-signature']!.split(' ')
  assert.equal(first, 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  assert.match(second!, /^v1,/)
})

test('a file without a secret is refused, and nothing of it is told', async () => {
  for (const text of ['', 'whsec_c2hvcnQ=', 'hunter2hunter2hunter2hunter2hunter2']) {
    const file = join(folder, 'bad.secret')
    await writeFile(file, text)
    await assert.rejects(readSecrets(file), error => {
      assert.ok(isAjnaError(error, 'WEBHOOK_SECRET_BAD'))
      assert.ok(text === '' || !error.message.includes(text))
      return true
    })
  }
})

test('what an incident has come to is told in order, also to who was away meanwhile', () => {
  const healed = healedAfter('a', 100)
  assert.deepEqual(
    eventsOf(healed).map(({ event }) => event),
    ['opened', 'acted', 'available', 'healed'],
  )
  const asked = incidentOf('b', 100, { state: 'proposed', proposal: { number: 1, at: 150, answer: null } })
  assert.deepEqual(
    eventsOf(asked).map(({ event, at }) => [event, at]),
    [
      ['opened', 100],
      ['proposed', 150],
    ],
  )
  const webhook = { events: ['acted', 'healed'], clusters: ['edge'] } as unknown as Webhook
  const nothing = { since: 0, told: {}, disabled: null }
  const next = (state: Parameters<typeof dueOf>[1], incidents = [healed]) =>
    dueOf(webhook, state, incidents).map(({ event }) => event)
  assert.deepEqual(next(nothing), ['acted'])
  assert.deepEqual(next({ ...nothing, told: { a: { event: 'acted', at: 1 } } }), ['healed'])
  assert.deepEqual(next({ ...nothing, told: { a: { event: 'failed', at: 1 } } }), [])
  assert.deepEqual(next({ ...nothing, since: 1_000 }), [], 'from before it was declared')
  assert.deepEqual(next(nothing, [{ ...healed, cluster: 'hub' }]), [])
  assert.deepEqual(next({ ...nothing, disabled: { at: 1, why: 'gone' } }), [])
})

test('of several processes one claims a delivery, and it is ended once', () => {
  let state = deliveriesMachine.initial
  const about = { webhook: 'pager', incident: 'a', event: 'acted' } as const
  const accepted = (
    [
      { kind: 'claim', ...about, by: 'first', at: 10, until: 100 },
      { kind: 'declare', webhook: 'pager', since: 0 },
      { kind: 'declare', webhook: 'pager', since: 50 },
      { kind: 'claim', ...about, by: 'first', at: 10, until: 100 },
      { kind: 'claim', ...about, by: 'second', at: 99, until: 200 },
      { kind: 'claim', ...about, by: 'second', at: 100, until: 200 },
      { kind: 'end', ...about, at: 120, outcome: 'delivered' },
      { kind: 'end', ...about, at: 130, outcome: 'delivered' },
      { kind: 'end', ...about, event: 'opened', at: 130, outcome: 'delivered' },
      { kind: 'claim', ...about, by: 'first', at: 500, until: 600 },
      { kind: 'end', ...about, event: 'healed', at: 700, outcome: 'given-up' },
    ] satisfies DeliveriesCommand[]
  ).map((command, offset) => {
    const applied = deliveriesMachine.apply(state, command, { offset, at: 0, writer: 'w', machineVersion: 1 })
    if (applied.accepted) state = applied.state
    return applied.accepted
  })
  assert.deepEqual(accepted, [false, true, false, true, false, true, true, false, false, false, true])
  const { delivered, givenUp, claims, told } = state.webhooks['pager']!
  assert.deepEqual([delivered, givenUp, claims], [1, 1, {}])
  assert.equal(told['a']!.event, 'healed')
})

test('each event is delivered once, signed, in order, by two processes side by side', async () => {
  await using receiver = await startReceiver(SECRET)
  const topic = createMemoryTopic()
  await using first = await openDeliveries(topic)
  await using second = await openJournal({ log: topic.open(), machine: deliveriesMachine })
  const at = Date.now()
  const all = Array.from({ length: 20 }, (_, i) => healedAfter(`i${i}`, at + i))
  const webhooks = [await webhookTo(receiver, {}, `${OTHER}\n${SECRET}`)]
  const incidents = () => all
  await using one = start({ webhooks, incidents, journal: () => first })
  await using two = start({ webhooks, incidents, journal: () => second, holder: 'second' })
  await receiver.until(() => isTold(one) && isTold(two), deadline())
  assert.equal(new Set(idsOf(receiver)).size, 80)
  assert.equal(receiver.received.length, 80, 'none twice')
  assert.ok(receiver.received.every(({ verified }) => verified))
  for (const { id } of all)
    assert.deepEqual(
      receiver.received.filter(({ incident }) => incident === id).map(({ type }) => type),
      ['incident.opened', 'incident.acted', 'incident.available', 'incident.healed'],
    )
})

test('a receiver that fails is told again under the same id, and what follows waits for it', async () => {
  await using receiver = await startReceiver(SECRET, (_, count) => (count <= 3 ? 500 : 200))
  await using journal = await openDeliveries()
  const incident = healedAfter('a', Date.now())
  const incidents = () => [incident]
  await using one = start({ webhooks: [await webhookTo(receiver)], incidents, journal: () => journal })
  await receiver.until(() => isTold(one), deadline())
  assert.deepEqual(idsOf(receiver), [
    ...Array.from({ length: 4 }, () => 'msg_a_opened'),
    'msg_a_acted',
    'msg_a_available',
    'msg_a_healed',
  ])
  assert.equal(new Set(receiver.received.slice(0, 4).map(({ body }) => body)).size, 1, 'the same message')
  const [standing] = one.notifier.standings()
  assert.deepEqual([standing!.state, standing!.delivered, standing!.lastError], ['quiet', 4, null])
})

test('one that hangs is given up after a while and seen, and holds up nobody else', async () => {
  await using hanging = await startReceiver(SECRET, () => undefined)
  await using well = await startReceiver(SECRET)
  await using journal = await openDeliveries(undefined, 'hanging', 'well')
  const began = performance.now()
  let at = 2_000
  const incidents = () => [incidentOf('a', 1_000)]
  await using one = start({
    webhooks: [await webhookTo(hanging, { name: 'hanging' }), await webhookTo(well, { name: 'well' })],
    incidents,
    journal: () => journal,
    times: { timeoutMs: 50, giveUpMs: 1_000_000 },
    now: () => Math.round(at + performance.now() - began),
  })
  const standing = (name: string) => one.notifier.standings().find(each => each.name === name)!
  await well.until(() => well.received.length === 1 && hanging.received.length >= 2, deadline())
  await well.until(() => standing('hanging').lastError !== null, deadline())
  assert.deepEqual(
    [standing('hanging').state, standing('hanging').pending, standing('well').pending],
    ['failing', 1, 0],
  )
  assert.match(standing('hanging').lastError!.why, /no answer within 50 ms/)
  at = 2_000_000
  await well.until(() => standing('hanging').givenUp === 1, deadline())
  assert.equal(standing('hanging').pending, 0)
})

test('one that says that it is gone is told no more, until it takes a test', async () => {
  await using receiver = await startReceiver(SECRET, () => 410)
  await using journal = await openDeliveries()
  const incident = incidentOf('a', Date.now())
  const incidents = () => [incident]
  await using one = start({ webhooks: [await webhookTo(receiver)], incidents, journal: () => journal })
  const standing = () => one.notifier.standings()[0]!
  await receiver.until(() => standing().state === 'disabled', deadline())
  assert.match(standing().disabled!.why, /410/)
  assert.equal(receiver.received.length, 1)
  assert.equal((await one.notifier.test('pager', deadline())).delivered, false)
  assert.equal(standing().state, 'disabled')
  receiver.manners = () => 200
  const tried = await one.notifier.test('pager', deadline())
  assert.equal(tried.delivered, true)
  assert.deepEqual(
    [receiver.received.at(-1)!.id, receiver.received.at(-1)!.type],
    [tried.id, 'incident.test'],
  )
  await receiver.until(() => isTold(one), deadline())
  assert.equal(idsOf(receiver).at(-1), 'msg_a_opened')
  await assert.rejects(one.notifier.test('nobody', deadline()), error =>
    isAjnaError(error, 'WEBHOOK_UNKNOWN'),
  )
})

test('redirects are not followed, and neither path nor secret is told anywhere', async () => {
  await using receiver = await startReceiver(SECRET, () => 302)
  await using journal = await openDeliveries(undefined, 'pager', 'dead')
  const incident = incidentOf('a', Date.now())
  const incidents = () => [incident]
  const dead = { url: 'http://127.0.0.1:9/hooks/a-token-in-the-path' }
  await using one = start({
    webhooks: [await webhookTo(receiver), await webhookTo(dead, { name: 'dead' })],
    incidents,
    journal: () => journal,
  })
  const standings = () => one.notifier.standings()
  await receiver.until(() => standings().every(({ lastError }) => lastError !== null), deadline())
  assert.match(standings()[0]!.lastError!.why, /302/)
  assert.ok(receiver.received.every(({ id }) => id === 'msg_a_opened'))
  const said = JSON.stringify([standings(), one.logged])
  assert.ok(!said.includes('a-token-in-the-path') && !said.includes(SECRET.slice('whsec_'.length)))
})

test('what cannot be noted is told all the same, once by this process, and noted later', async () => {
  await using receiver = await startReceiver(SECRET)
  await using journal = await openDeliveries()
  let isAway = true
  const at = Date.now() + 60_000
  const incidents = () => [incidentOf('a', at)]
  await using one = start({
    webhooks: [await webhookTo(receiver)],
    incidents,
    journal: () => (isAway ? undefined : journal),
    times: { journalMs: 20 },
  })
  await receiver.until(() => isTold(one), deadline())
  assert.equal(one.notifier.standings()[0]!.journal, 'away')
  assert.equal(receiver.received.length, 1)
  isAway = false
  await receiver.until(() => journal.state().webhooks['pager']!.told['a'] !== undefined, deadline())
  assert.equal(receiver.received.length, 1)
})

test('one that is declared later is not told what happened before', async () => {
  await using receiver = await startReceiver(SECRET)
  await using journal = await openJournal({ log: createMemoryTopic().open(), machine: deliveriesMachine })
  const now = Date.now()
  const incidents = () => [incidentOf('old', now - 60_000), incidentOf('new', now + 60_000)]
  await using one = start({ webhooks: [await webhookTo(receiver)], incidents, journal: () => journal })
  await receiver.until(() => receiver.received.length > 0 && isTold(one), deadline())
  assert.deepEqual(idsOf(receiver), ['msg_new_opened'])
})
