import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type ConnectServer, connectServer } from '../../../../test/mirror/connect-server.ts'
import { memoryRegistry } from '../../../../test/mirror/memory-registry.ts'

/**
 * What Kafka Connect 4.3.1 was asked, and what it answered (test/mirror/captured/README.md), asked here in the same order.
 * Everything else than the differences below is answered alike: status, body, location.
 */

interface Exchange {
  readonly request: string
  readonly body?: unknown
  readonly type?: string
  readonly status: number
  readonly answer: unknown
  readonly location?: string
}

const exchanges = JSON.parse(
  readFileSync(new URL('../../../../test/mirror/captured/connect-answers.json', import.meta.url), 'utf8'),
) as readonly Exchange[]

const MALFORMED = 'a malformed request is the caller’s mistake, not a failure of the server'
const UNKNOWN_KEYS = 'keys nobody knows and missing addresses are told too'
const LENIENT = 'what is missing is told under its key'
const NO_SLASH = 'a link’s name has letters, digits, dots, hyphens and underscores'
const ONE_NAME = 'the name in the configuration is the connector’s'
const UNKNOWN = 'a misspelt connector is told, not answered as one without topics'
const NO_TASKS = 'a stopped connector has no tasks, and that does not pass by itself'
const SAID_TWICE = 'one partition given twice is a mistake'
const GONE = 'what was deleted is gone at once'
const NO_METHODS = 'whether there is something at another method is not told'
const NO_SLASHES = 'an address has one spelling'
const COPIED_BETWEEN = 'records were copied in between'

/** By the request's number: the status answered here instead (null: not compared), and why. */
const differences: Readonly<Record<number, readonly [status: number | null, why: string]>> = {
  5: [null, UNKNOWN_KEYS],
  6: [null, LENIENT],
  8: [404, MALFORMED],
  9: [404, MALFORMED],
  17: [400, MALFORMED],
  19: [400, MALFORMED],
  20: [400, MALFORMED],
  21: [400, NO_SLASH],
  22: [400, MALFORMED],
  23: [400, MALFORMED],
  24: [400, MALFORMED],
  25: [400, MALFORMED],
  29: [400, MALFORMED],
  40: [400, ONE_NAME],
  58: [404, UNKNOWN],
  79: [404, NO_TASKS],
  85: [400, MALFORMED],
  86: [400, MALFORMED],
  87: [400, MALFORMED],
  88: [400, MALFORMED],
  90: [400, MALFORMED],
  91: [400, SAID_TWICE],
  113: [404, UNKNOWN],
  114: [null, COPIED_BETWEEN],
  116: [404, NO_METHODS],
  117: [404, NO_METHODS],
  119: [404, NO_METHODS],
  120: [404, NO_SLASHES],
  126: [404, GONE],
  127: [404, GONE],
}

/** The first request that Connect answered with tasks. */
const FIRST_LOOK_TAKEN = 36

const NEUTRAL: Readonly<Record<string, string>> = { worker_id: '<worker>' }

test('answers as Kafka Connect 4.3.1 does', async () => {
  const registry = memoryRegistry({
    positions: [
      { topic: 'orders', partition: 0, sourceOffset: 7, targetOffset: 7 },
      { topic: 'orders', partition: 1, sourceOffset: 3, targetOffset: 3 },
      { topic: 'my.topic', partition: 0, sourceOffset: 3, targetOffset: 3 },
      { topic: 'my.topic', partition: 1, sourceOffset: 0, targetOffset: 0 },
    ],
  })
  // Connectors have no tasks before they have looked at their source, nor one that was created paused.
  for (const name of ['m', 'num', 'lower']) registry.say(name, { partitions: [] })
  await using server = await connectServer(registry)
  const wrong: string[] = []
  for (const [index, exchange] of exchanges.entries()) {
    if (index === FIRST_LOOK_TAKEN) for (const name of ['m', 'num']) registry.unsay(name)
    const answered = await ask(server, exchange)
    const [status = exchange.status] = differences[index] ?? []
    if (status === null) continue
    const expected =
      status === exchange.status
        ? { status, location: exchange.location ?? null, answer: comparable(nevertheless(exchange.answer)) }
        : { status, location: null, answer: { error_code: status } }
    const [actual, wanted] = [answered, expected].map(each => JSON.stringify(each))
    if (actual !== wanted) wrong.push(`${index} ${exchange.request}\n  ${actual}\n  ${wanted}`)
  }
  assert.equal(wrong.length, 0, wrong.join('\n'))
})

/** Without what followed from requests that are refused here (21, 40). */
function nevertheless(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer), (_, value: unknown) => {
    if (Array.isArray(value)) return value.filter(each => each !== 'x/y')
    if (typeof value !== 'object' || value === null) return value
    const { 'x/y': _slash, ...rest } = value as Record<string, unknown>
    return rest['name'] === 'foo' ? { ...rest, name: 'm' } : rest
  })
}

async function ask(server: ConnectServer, exchange: Exchange) {
  const [method, path] = exchange.request.split(' ') as [string, string]
  const { body, type = 'application/json' } = exchange
  const response = await server.ask(method, path, {
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body), type }),
  })
  const location = response.headers.get('location')
  const text = await response.text()
  const answer: unknown = text === '' ? '' : JSON.parse(text)
  return {
    status: response.status,
    location: location === null ? null : new URL(location).pathname,
    answer: comparable(shape(path, response.status, answer)),
  }
}

/** Of long answers and of texts for people, what the capture kept. */
function shape(path: string, status: number, answer: unknown): unknown {
  const object = answer as Record<string, unknown>
  if (status >= 400) return { error_code: object['error_code'] }
  if (path === '/' || path === '/health') return Object.keys(object).sort()
  if (path.endsWith('/validate'))
    return { name: object['name'], error_count: object['error_count'], groups: object['groups'] }
  if (typeof object === 'object' && Object.keys(object).join() === 'message') return ['message']
  return answer
}

/** Without the order of keys and of lists, which neither promises, and without names of machines and releases. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(comparable)
    return items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
    .filter(([key]) => key !== 'task.assigned.partitions')
    .map(([key, each]) => [
      key,
      key === 'version' && each !== null ? '<version>' : (NEUTRAL[key] ?? comparable(each)),
    ])
  return Object.fromEntries(entries.sort((a, b) => (a[0]! < b[0]! ? -1 : 1)))
}
