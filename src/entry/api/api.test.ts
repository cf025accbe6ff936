import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { generatedFiles } from '../../../scripts/generate-api.ts'
import type { Mood } from '../../../test/console/fixture/shared.ts'
import { createFixture, type Fixture } from '../../../test/console/fixture.ts'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import type { HttpServer } from '../../foundation/http/server.ts'
import { sessionOf } from '../../foundation/http/session.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import { webhookStatuses } from '../control/notify.ts'
import { createApi } from './api.ts'
import { createApiClient, dataOf } from './client.ts'

const session = sessionOf('a'.repeat(43))
const root = resolve(import.meta.dirname, '../../..')

// biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of an answer, field by field
type Json = any

interface Served {
  readonly server: HttpServer
  readonly base: string
  readonly fixture: Fixture
  /** GET with the session. */
  ask(path: string): Promise<{ status: number; body: Json }>
  act(path: string, body: unknown): Promise<{ status: number; body: Json }>
}

async function serve(mood: Mood): Promise<Served> {
  const fixture = createFixture(mood)
  const server = createApi({
    platform: fixture.platform,
    session,
    log: silentLogger,
    statuses: { FIXTURE_SQL: 400, ...webhookStatuses },
    hosts: ['localhost:80'],
  })
  const headers = { authorization: `Bearer ${session.token}` }
  const base = await server.listen(0)
  const call = async (method: 'GET' | 'POST', url: string, payload?: object): ReturnType<Served['ask']> => {
    const answer = await server.app.inject({
      method,
      url,
      headers,
      ...(payload !== undefined && { payload }),
    })
    return { status: answer.statusCode, body: answer.json() }
  }
  return {
    server,
    base,
    fixture,
    ask: path => call('GET', path),
    act: (path, body) => call('POST', path, body as object),
  }
}

describe('the API over a fleet in trouble', () => {
  let served: Served
  before(async () => {
    served = await serve('trouble')
  })
  after(() => served.server.close())

  it('says who is told of incidents, and tests them', async () => {
    const { status, body } = await served.ask('/api/webhooks')
    assert.deepEqual(
      [status, body.items.map((each: Json) => [each.name, each.state])],
      [200, [['pager', 'failing']]],
    )
    const tried = await served.act('/api/webhooks/pager/test', {})
    assert.deepEqual([tried.status, tried.body.answer], [200, 'answered 204'])
    assert.equal((await served.act('/api/webhooks/nobody/test', {})).status, 404)
  })

  it('says what is wrong first, and the cause rather than its symptoms', async () => {
    const { status, body } = await served.ask('/api/fleet')
    assert.equal(status, 200)
    assert.deepEqual(
      body.findings.map((finding: { id: string }) => finding.id.split(':')[0]),
      ['completeness', 'broker-down', 'link', 'event-to-insight'],
    )
    assert.equal(body.clusters.find((cluster: { name: string }) => cluster.name === 'hub').state, 'degraded')
  })

  it('says what an approval would lose, and takes it only by name, for the proposal that stands', async () => {
    const address = '/api/incidents/edge-p-4f1c-77/approval'
    const { body: preview } = await served.ask(address)
    assert.deepEqual([preview.confirm, preview.proposal, preview.offer.allowed], ['edge', 1, true])
    assert.ok(preview.effects.includes('34 records would be lost'))
    const answer = { verdict: 'approve', proposal: 1, reason: 'its disk is broken', confirm: 'edge' }
    const codeOf = async (more: object, to = address) =>
      (await served.act(to, { ...answer, ...more })).body.code
    assert.equal(await codeOf({ confirm: 'hub' }), 'API_CONFIRMATION_WRONG')
    assert.equal(await codeOf({ proposal: 2 }), 'API_ACT_REFUSED')
    assert.equal(await codeOf({}, '/api/incidents/edge-3-8841-b/approval'), 'API_ACT_REFUSED')
    assert.equal(await codeOf({}, '/api/incidents/none/approval'), 'INCIDENT_UNKNOWN')
    const done = await served.act(address, answer)
    assert.deepEqual([done.status, done.body.action, done.body.reason], [202, 'heal.approve', answer.reason])
    const declined = await served.act(address, { ...answer, verdict: 'decline' })
    assert.deepEqual([declined.status, declined.body.action], [202, 'heal.decline'])
  })

  it('refuses to restart a broker while another is away, with the reasons', async () => {
    const preview = await served.ask('/api/clusters/hub/brokers/1/restart')
    assert.equal(preview.body.offer.allowed, false)
    const refused = await served.act('/api/clusters/hub/brokers/1/restart', {
      reason: 'new heap size',
      confirm: 'hub-1',
    })
    assert.equal(refused.status, 409)
    assert.equal(refused.body.code, 'API_ACT_REFUSED')
    assert.match(refused.body.details.reasons.join(' '), /broker 2 of this cluster is not up/)
    assert.match(refused.body.details.reasons.join(' '), /writes would stop at/)
  })

  it('acts only when the name typed is the name acted on', async () => {
    const wrong = await served.act('/api/clusters/edge/brokers/1/restart', {
      reason: 'new heap size',
      confirm: 'hub-1',
    })
    assert.deepEqual([wrong.status, wrong.body.code], [422, 'API_CONFIRMATION_WRONG'])
    const done = await served.act('/api/clusters/edge/brokers/1/restart', {
      reason: 'new heap size',
      confirm: 'edge-1',
    })
    assert.equal(done.status, 202)
    const followed = await served.ask(`/api/activity/${done.body.id}`)
    assert.equal(followed.body.reason, 'new heap size')
  })

  it('shows of a link what needs somebody first: halted, blocked, then what does badly', async () => {
    const { body } = await served.ask('/api/links/edge-to-hub')
    const first = body.worst.slice(0, 3)
    assert.deepEqual(
      first.map((each: { state: string; haltReason: string }) => [each.state, each.haltReason]),
      [
        ['halted', 'overtaken-by-retention'],
        ['blocked', null],
        ['copying', null],
      ],
    )
    assert.equal(first[2].verdict, 'stalled')
    assert.deepEqual([body.haltedPartitions, body.blockedPartitions], [1, 1])
    assert.equal('assigned' in body, false)
    assert.ok(body.worst.length <= 10 && body.worst.length <= body.unhealthyPartitions)
    const counted = Object.values(body.states).reduce((sum: number, each) => sum + (each as number), 0)
    assert.equal(counted, body.partitions)
    assert.deepEqual(body.gaps[0], { topic: 'logs.edge', partition: 7, from: 4_096, to: 4_608 })
    assert.deepEqual([body.gapsInAll, body.missingOffsets], [2, 516])
    assert.equal(body.keep.groups.length, 4)
  })

  it('pages a link’s partitions: filtered by state, verdict and topic, ordered by lag', async () => {
    const address = '/api/links/edge-to-hub/partitions'
    const nameOf = (row: { topic: string; partition: number }) => `${row.topic}-${row.partition}`
    const lagOf = (row: { lagRecords: number | null }) => row.lagRecords ?? -1
    const { body: all } = await served.ask(`${address}?limit=500`)
    assert.deepEqual(
      all.items.slice(0, 2).map((row: { state: string }) => row.state),
      ['halted', 'blocked'],
    )
    const pages = []
    for (let offset = 0; offset < all.total; offset += 7)
      pages.push(...(await served.ask(`${address}?limit=7&offset=${offset}`)).body.items)
    assert.deepEqual(pages.map(nameOf), all.items.map(nameOf), 'pages neither overlap nor leave anything out')
    const { body: behind } = await served.ask(`${address}?sort=lag&order=desc&limit=5`)
    assert.deepEqual(
      behind.items.map(lagOf),
      all.items
        .map(lagOf)
        .toSorted((a: number, b: number) => b - a)
        .slice(0, 5),
    )
    const { body: blocked } = await served.ask(`${address}?state=blocked`)
    assert.deepEqual([blocked.total, blocked.items[0].topic], [1, 'metrics.edge'])
    const { body: stalled } = await served.ask(`${address}?verdict=stalled&search=LOGS`)
    assert.ok(stalled.total > 0 && stalled.total < all.total)
    assert.ok(
      stalled.items.every(
        (row: { verdict: string; topic: string }) => row.verdict === 'stalled' && row.topic.includes('logs'),
      ),
    )
    const { body: none } = await served.ask(`${address}?state=paused`)
    assert.deepEqual(none, { total: 0, offset: 0, items: [] })
    assert.equal((await served.ask(`${address}?state=unwell`)).status, 400)
    assert.equal((await served.ask('/api/links/nothing/partitions')).status, 404)
  })

  it('lists links without their partitions, a switch under way with its steps', async () => {
    const { body } = await served.ask('/api/links')
    assert.ok(body.links.every((row: object) => !('assigned' in row)))
    const { sides } = body.links.find((row: { name: string }) => row.name === 'payments-to-edge')
    assert.equal(sides.underWay.step, 'drain-source-groups')
    assert.equal(sides.underWay.steps.length, 9)
    assert.equal(
      sides.underWay.steps[0].text,
      'close the topics to every writer at the source, at every broker',
    )
  })

  it('says what an act on a link would do, and lets it be done with a reason and the link’s name', async () => {
    const address = '/api/links/edge-to-hub/acts/restart-failed'
    const { body: preview } = await served.ask(address)
    assert.deepEqual([preview.offer, preview.confirm], [{ allowed: true, reasons: [] }, 'edge-to-hub'])
    assert.match(preview.effects.join(' '), /logs\.edge-4, halted: the source deleted offsets/)
    const wrong = await served.act(address, { reason: 'retention is longer now', confirm: 'edge' })
    assert.deepEqual([wrong.status, wrong.body.code], [422, 'API_CONFIRMATION_WRONG'])
    const unsaid = await served.act(address, { reason: '', confirm: 'edge-to-hub' })
    assert.deepEqual([unsaid.status, unsaid.body.code], [400, 'HTTP_REQUEST_INVALID'])
    const done = await served.act(address, { reason: 'retention is longer now', confirm: 'edge-to-hub' })
    assert.equal(done.status, 202)
    const followed = await served.ask(`/api/activity/${done.body.id}`)
    assert.deepEqual(
      [followed.body.action, followed.body.reason, followed.body.subject.name],
      ['link.restart-failed', 'retention is longer now', 'edge-to-hub'],
    )
    const again = await served.act(address, { reason: 'once more', confirm: 'edge-to-hub' })
    assert.deepEqual([again.status, again.body.code], [409, 'API_ACT_REFUSED'])
    assert.match(again.body.details.reasons.join(), /no partition of the link is halted or blocked/)
  })

  it('tells a link nothing while a switch of its sides is under way', async () => {
    for (const act of ['pause', 'resume', 'restart-failed']) {
      const { body } = await served.ask(`/api/links/payments-to-edge/acts/${act}`)
      assert.equal(body.offer.allowed, false)
      assert.match(body.offer.reasons[0], /a promotion of payments-to-edge is under way/)
      const refused = await served.act(`/api/links/payments-to-edge/acts/${act}`, {
        reason: 'because',
        confirm: 'payments-to-edge',
      })
      assert.deepEqual([refused.status, refused.body.code], [409, 'API_ACT_REFUSED'])
    }
  })

  it('rehearses a promotion: what forbids it, what would be lost and repeated, and the command for it', async () => {
    const address = '/api/links/edge-to-hub/rehearsal'
    const planned = await served.act(address, {})
    assert.equal(planned.status, 200)
    assert.deepEqual([planned.body.action, planned.body.planned], ['promote', true])
    assert.equal(planned.body.command, './ajna link promote edge-to-hub')
    assert.equal(
      planned.body.steps[0].text,
      'close the topics to every writer at the source, at every broker',
    )
    const unplanned = await served.act(address, { planned: false })
    assert.equal(unplanned.body.allowed, false)
    const loss = unplanned.body.forbids.find((each: { code: string }) => each.code === 'would-lose')
    assert.equal(loss.unless, 'accept-loss')
    assert.ok(unplanned.body.lost.atLeast > 0)
    const [first, second] = unplanned.body.partitions
    assert.ok(first.lost.atLeast >= second.lost.atLeast, 'the greatest loss first')
    const answered = await served.act(address, { planned: false, consents: ['accept-loss'] })
    assert.equal(answered.body.command, './ajna link promote edge-to-hub --unplanned --accept-loss')
    const back = await served.act(address, { action: 'failback', stay: true })
    assert.equal(back.body.command, './ajna link failback edge-to-hub --stay')
    assert.equal(back.body.forbids[0].code, 'wrong-phase')
  })

  it('switches sides when nothing stands in the way: the name is typed where something is given up', async () => {
    const address = '/api/links/edge-to-hub/switch'
    const reason = 'the edge site moves'
    const refused = await served.act(address, { action: 'promote', planned: false, reason })
    assert.deepEqual([refused.status, refused.body.code], [409, 'API_ACT_REFUSED'])
    assert.match(refused.body.details.reasons.join(), /records would be lost.*unless: accept-loss/)
    const wanted = { action: 'promote', planned: false, consents: ['accept-loss'], reason }
    const untyped = await served.act(address, wanted)
    assert.deepEqual([untyped.status, untyped.body.code], [422, 'API_CONFIRMATION_WRONG'])
    const early = await served.act(address, { action: 'promote', goOn: true, reason })
    assert.deepEqual([early.status, early.body.code], [409, 'API_SWITCH_NOT_UNDER_WAY'])
    const unreasoned = await served.act(address, { ...wanted, reason: '', confirm: 'edge-to-hub' })
    assert.deepEqual([unreasoned.status, unreasoned.body.code], [400, 'HTTP_REQUEST_INVALID'])
    served.fixture.holdNextSwitch('edge-to-hub')
    const begun = await served.act(address, { ...wanted, confirm: 'edge-to-hub', by: 'ada' })
    assert.equal(begun.status, 202)
    const entry = await served.ask(`/api/activity/${begun.body.id}`)
    assert.deepEqual(
      [entry.body.action, entry.body.actor, entry.body.reason],
      ['link.promote', 'ada', reason],
    )
    const { body: link } = await served.ask('/api/links/edge-to-hub')
    assert.deepEqual([link.sides.phase, link.sides.underWay.here], ['promoting', true])
    const twice = await served.act(address, { action: 'promote', goOn: true, reason })
    assert.deepEqual([twice.status, twice.body.code], [409, 'API_SWITCH_AT_WORK'])
    served.fixture.interruptSwitch('edge-to-hub')
    const other = await served.act(address, { action: 'failback', goOn: true, reason })
    assert.equal(other.body.code, 'API_SWITCH_NOT_UNDER_WAY')
    const more = await served.act(address, { action: 'promote', goOn: true, consents: ['unfenced'], reason })
    assert.equal(more.body.code, 'API_CONFIRMATION_WRONG')
    assert.equal((await served.act(address, { action: 'promote', goOn: true, reason })).status, 202)
  })

  it('refuses a rehearsal of what is no switch, and of no link', async () => {
    const wrong = await served.act('/api/links/edge-to-hub/rehearsal', { action: 'swap' })
    assert.deepEqual([wrong.status, wrong.body.code], [400, 'HTTP_REQUEST_INVALID'])
    const unknown = await served.act('/api/links/nothing/rehearsal', {})
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'API_LINK_UNKNOWN'])
  })

  it('pages partitions, unhealthy ones by themselves', async () => {
    const all = await served.ask('/api/clusters/hub/partitions?limit=10&sort=state')
    assert.equal(all.body.items.length, 10)
    assert.equal(all.body.items[0].state, 'at-min-isr')
    const healthy = await served.ask('/api/clusters/edge/partitions?state=unhealthy')
    assert.equal(healthy.body.total, 0)
  })

  it('shows records decoded: position, Avro, JSON, and hexadecimal for what is none of them', async () => {
    const logs = await served.ask('/api/topics/logs.edge/messages?cluster=hub&partition=0&limit=3')
    assert.equal(logs.body.messages.length, 3)
    assert.equal(logs.body.messages[0].position.hashAgrees, true)
    assert.ok(
      logs.body.messages.some(
        (message: { position: { path: string } }) => message.position.path === '/var/log/dpkg.log',
      ),
    )
    const metrics = await served.ask('/api/topics/metrics.edge/messages?cluster=hub&limit=2')
    assert.equal(metrics.body.messages[0].value.encoding, 'avro')
    assert.equal(JSON.parse(metrics.body.messages[0].value.text).name, 'host_cpu_busy_ratio')
    const orders = await served.ask(
      '/api/topics/orders.v1/messages?cluster=edge&partition=0&from=offset&at=0&limit=7',
    )
    assert.deepEqual(
      orders.body.messages.map((message: { value: { encoding: string } }) => message.value.encoding),
      ['json', 'json', 'json', 'hex', 'json', 'json', 'json'],
    )
  })

  it('names the bytes that are missing, of which file, and the tier that lost them', async () => {
    const now = Date.now()
    const { body } = await served.ask(`/api/completeness?from=${now - 12 * 3_600_000}&to=${now}`)
    const lossy = body.buckets.find((bucket: { tiers: { state: string }[] }) =>
      bucket.tiers.some(tier => tier.state === 'missing'),
    )
    const streams = await served.ask(`/api/completeness/${lossy.bucket}?state=missing`)
    assert.equal(streams.body.total, 1)
    const [row] = streams.body.items
    assert.equal(row.path, '/var/log/kafka/server.log')
    assert.deepEqual(row.tiers[1].missing, [{ start: 4_194_304, end: 4_255_744 }])
    assert.equal(row.tiers[1].lostHereBytes, 61_440)
  })

  for (const [path, code] of [
    ['/api/clusters/nowhere', 'API_CLUSTER_UNKNOWN'],
    ['/api/topics/nothing', 'API_TOPIC_UNKNOWN'],
    ['/api/clusters/edge/topics/nothing/config', 'API_TOPIC_UNKNOWN'],
    ['/api/topics/logs.edge/messages?cluster=edge&partition=99', 'API_TOPIC_UNKNOWN'],
    ['/api/clusters/edge/brokers/9/restart', 'API_BROKER_UNKNOWN'],
    ['/api/links/nothing', 'API_LINK_UNKNOWN'],
    ['/api/links/nothing/acts/pause', 'API_LINK_UNKNOWN'],
    ['/api/activity/nothing', 'API_ACTIVITY_UNKNOWN'],
    ['/api/tests/nothing', 'TEST_UNKNOWN'],
    ['/api/tests/nothing/report', 'TEST_UNKNOWN'],
    ['/api/nothing', 'HTTP_NOT_FOUND'],
  ] as const) {
    it(`answers 404 with a code of its own: ${path}`, async () => {
      const { status, body } = await served.ask(path)
      assert.deepEqual([status, body.code], [404, code])
    })
  }

  it('shows tests, newest first and by pages, follows one from where the last look ended, and ends it on request', async () => {
    const { body } = await served.ask('/api/tests?limit=2')
    assert.deepEqual(
      body.items.map((test: { state: string }) => test.state),
      ['running', 'met'],
    )
    const [running] = body.items
    assert.deepEqual([body.more, body.running], [true, running.id])
    const older = await served.ask(`/api/tests?before=${body.items[1].id}`)
    assert.deepEqual(
      older.body.items.map((test: { state: string }) => test.state),
      ['missed', 'stopped', 'failed', 'died'],
    )
    const live = await served.ask(`/api/tests/${running.id}`)
    const standing = live.body.standing.find((each: { what: string }) => each.what === 'incident')
    assert.deepEqual([standing.expected, standing.state], ['broker-dead', 'met'])
    assert.equal(live.body.incidents[0].cause, 'broker-dead')
    assert.match(live.body.scenario, /^# kill -9/)
    const on = await served.ask(`/api/tests/${running.id}?from=${live.body.events.next}`)
    assert.ok(on.body.events.items.length < live.body.events.items.length)
    const refused = await served.act('/api/tests', { name: 'broker-blink', reason: 'one more' })
    assert.deepEqual([refused.status, refused.body.code], [409, 'TEST_RUNNING'])
    const stop = { reason: 'the machine is needed', by: 'grace' }
    const stopped = await served.act(`/api/tests/${running.id}/stop`, stop)
    assert.deepEqual([stopped.status, stopped.body.stopped.by], [202, 'grace'])
    const again = await served.act(`/api/tests/${running.id}/stop`, stop)
    assert.deepEqual([again.status, again.body.code], [409, 'TEST_OVER'])
  })

  it('answers a test’s report as a page to keep, without the picture’s points in the test itself', async () => {
    const { body } = await served.ask('/api/tests')
    const { id } = body.items.find((test: { state: string }) => test.state === 'missed')
    const whole = await served.ask(`/api/tests/${id}`)
    assert.equal('trace' in whole.body.result.runs[0], false)
    const page = await fetch(`${served.base}/api/tests/${id}/report`, {
      headers: { authorization: `Bearer ${session.token}` },
    })
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
    assert.equal(page.headers.get('content-disposition'), `attachment; filename="test-${id}.html"`)
    assert.match(await page.text(), /^<!doctype html>[\s\S]*the alert stayed silent/)
    const none = body.items.find((test: { state: string }) => test.state === 'died')
    assert.equal((await served.ask(`/api/tests/${none.id}/report`)).status, 404)
  })

  it('refuses a hostile or absurd scenario with its lines, and begins nothing', async () => {
    const before = await served.ask('/api/tests')
    const reason = 'to see it refused'
    const hostile = [
      ['name: x\nfaults:\n  - { at: 1s, fault: melt, broker: any }\n', /scenario:3:.* found "melt"/],
      [
        'name: x\nfaults: [{ at: 1s, fault: kill, broker: 9 }]\n',
        /found broker 9; allowed: broker ids from 1 to 3/,
      ],
      ['name: x\nload: { rate: 99999999 }\n', /found 99999999/],
      ['a: &a [*a, *a]\n', /./],
    ] as const
    for (const [scenario, said] of hostile) {
      const { status, body } = await served.act('/api/tests', { scenario, reason })
      assert.deepEqual([status, body.code], [422, 'CONFIG_INVALID'], scenario)
      assert.match(body.message, said)
    }
    for (const [body, status, code] of [
      [{ name: 'no-such', reason }, 404, 'TEST_SCENARIO_UNKNOWN'],
      [{ reason }, 400, 'HTTP_REQUEST_INVALID'],
      [{ name: 'leader-killed', scenario: 'name: x', reason }, 400, 'HTTP_REQUEST_INVALID'],
      [{ name: 'leader-killed', reason: '' }, 400, 'HTTP_REQUEST_INVALID'],
      [{ scenario: 'x'.repeat(70_000), reason }, 400, 'HTTP_REQUEST_INVALID'],
    ] as const) {
      const answer = await served.act('/api/tests', body)
      assert.deepEqual([answer.status, answer.body.code], [status, code])
    }
    assert.equal((await served.ask('/api/tests')).body.items.length, before.body.items.length)
  })

  it('hands a room’s error through: what the SQL engine says, where', async () => {
    const { status, body } = await served.act('/api/logs/query', { sql: 'selct 1' })
    assert.deepEqual([status, body.code], [400, 'FIXTURE_SQL'])
    assert.match(body.message, /line 1, character 1/)
  })

  it('refuses a chart of more points than a screen has', async () => {
    const { status, body } = await served.ask(
      '/api/metrics/range?name=host_cpu_busy_ratio&from=0&to=1700000000000&step=1000',
    )
    assert.deepEqual([status, body.code], [400, 'HTTP_REQUEST_INVALID'])
  })

  it('tells a page that listens when the fleet has changed, and continues an activity stream', async () => {
    const gone = new AbortController()
    const headers = { authorization: `Bearer ${session.token}` }
    const live = await fetch(`${served.base}/api/live`, { headers, signal: gone.signal })
    const events = eventsOf(live)
    assert.equal((await events.next()).value?.event, 'heartbeat')
    assert.equal((await events.next()).value?.event, 'fleet')
    served.fixture.change('edge', facts => ({ ...facts, unreachable: { since: 1, message: 'refused' } }))
    assert.equal(JSON.parse((await events.next()).value?.data ?? '{}').worst, 'critical')
    const activity = await fetch(`${served.base}/api/activity/live`, {
      headers: { ...headers, 'last-event-id': 'a6' },
      signal: gone.signal,
    })
    const entries = eventsOf(activity)
    assert.equal((await entries.next()).value?.event, 'heartbeat')
    assert.equal((await entries.next()).value?.id, 'a7')
    gone.abort()
  })
})

interface Received {
  readonly event: string
  readonly data: string
  readonly id: string | undefined
}

async function* eventsOf(response: Response): AsyncGenerator<Received> {
  let rest = ''
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    rest += part
    const blocks = rest.split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const field = (name: string): string | undefined =>
        block
          .split('\n')
          .find(line => line.startsWith(`${name}: `))
          ?.slice(name.length + 2)
      const event = field('event')
      if (event !== undefined) yield { event, data: field('data') ?? '', id: field('id') }
    }
  }
}

describe('the API over 100 clusters and 50,000 topics', () => {
  let served: Served
  before(async () => {
    served = await serve('large')
  })
  after(() => served.server.close())

  it('pages, searches and orders all topics without sending them', async () => {
    const first = await served.ask('/api/topics?limit=50')
    assert.equal(first.body.total, 50_000)
    assert.equal(first.body.items.length, 50)
    const last = await served.ask('/api/topics?limit=50&offset=49990')
    assert.equal(last.body.items.length, 10)
    const found = await served.ask('/api/topics?search=payments%20tenant-100&sort=rate&order=desc')
    assert.ok(found.body.total > 0 && found.body.total < 500)
    const rates = found.body.items.map((row: { recordsInPerSecond: number }) => row.recordsInPerSecond)
    assert.deepEqual(
      rates,
      rates.toSorted((a: number, b: number) => b - a),
    )
  })

  it('finds anything by its name', async () => {
    const { body } = await served.ask('/api/search?q=dc11-k2')
    assert.deepEqual(body.hits[0].subject, { kind: 'cluster', name: 'dc11-k2', cluster: null })
    assert.ok(body.hits.some((hit: { subject: { kind: string } }) => hit.subject.kind === 'broker'))
    assert.ok(body.hits.length < 80)
  })

  it('puts the unreachable cluster before the degraded one', async () => {
    const { body } = await served.ask('/api/fleet')
    assert.equal(body.findings.length >= 2, true)
    assert.equal(
      body.findings.every(
        (finding: { severity: string }, i: number) =>
          i === 0 || finding.severity >= body.findings[i - 1].severity,
      ),
      true,
    )
    assert.ok(body.findings.some((finding: { id: string }) => finding.id === 'cluster-unreachable:dc20-k2'))
  })
})

describe('what is generated from the API', () => {
  it('is what stands in the repository', async () => {
    for (const [path, text] of await generatedFiles()) {
      assert.equal(
        await readFile(resolve(root, path), 'utf8'),
        text,
        `${path} differs: run node scripts/generate-api.ts`,
      )
    }
  })

  it('serves a program through the generated client, errors as what they are', async () => {
    const served = await serve('calm')
    try {
      const client = createApiClient(served.base, session.token)
      const fleet = dataOf(await client.GET('/api/fleet'))
      assert.equal(fleet.findings.length, 0)
      const missing = await client.GET('/api/clusters/{cluster}', {
        params: { path: { cluster: 'nowhere' } },
      })
      assert.throws(
        () => dataOf(missing),
        error => isAjnaError(error, 'API_CLUSTER_UNKNOWN'),
      )
      const stranger = createApiClient(served.base, 'b'.repeat(43))
      const refused = await stranger.GET('/api/fleet')
      assert.throws(
        () => dataOf(refused),
        error => isAjnaError(error, 'HTTP_UNAUTHENTICATED'),
      )
    } finally {
      await served.server.close()
    }
    const nobody = createApiClient(served.base, session.token)
    await assert.rejects(nobody.GET('/api/fleet'), error => isAjnaError(error, 'CONTROL_UNREACHABLE'))
  })
})
