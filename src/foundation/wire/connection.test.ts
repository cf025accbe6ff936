import assert from 'node:assert/strict'
import { test } from 'node:test'
import { afterHandshake, type FakeAnswer, fakeBroker, framed } from '../../../test/wire/fake-broker.ts'
import { ByteWriter } from './bytes.ts'
import { type Connection, type ConnectionOptions, connect } from './connection.ts'
import {
  API_UNSUPPORTED,
  BROKER_UNREACHABLE,
  CONNECTION_LOST,
  REQUEST_TIMED_OUT,
  WIRE_CLOSED,
  WIRE_MALFORMED,
} from './errors.ts'
import { findCoordinator } from './requests/find-coordinator.ts'
import { produce } from './requests/produce.ts'

const request = { transactionalId: 'x' }

function coordinatorBody(nodeId: number): Buffer {
  const writer = new ByteWriter().int32(0).int16(0).compactNullableString(null).int32(nodeId)
  return writer.compactString('host').int32(1).noTaggedFields().finish()
}

function open(
  port: number,
  options: Partial<ConnectionOptions> = {},
  signal?: AbortSignal,
): Promise<Connection> {
  const timeouts = { connectTimeoutMs: 1_000, requestTimeoutMs: 300 }
  return connect({ host: '127.0.0.1', port, clientId: 'test', ...timeouts, ...options }, signal)
}

test('requests sent together are answered each with its own response', async () => {
  let node = 0
  await using broker = await fakeBroker(afterHandshake(() => coordinatorBody(++node)))
  const connection = await open(broker.port)
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => connection.send(findCoordinator, request)),
  )
  assert.deepEqual(
    answers.map(({ nodeId }) => nodeId),
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  connection.close()
})

test('a response to something that was not asked closes the connection', async () => {
  await using broker = await fakeBroker(
    afterHandshake(({ correlationId }) => ({ raw: framed(correlationId + 1, coordinatorBody(1)) })),
  )
  const connection = await open(broker.port)
  await assert.rejects(connection.send(findCoordinator, request), {
    code: CONNECTION_LOST.code,
    message: /answered request/,
  })
  assert.ok(connection.closed)
})

test('a request that is not answered in time fails, and so does all that waits behind it', async () => {
  await using broker = await fakeBroker(afterHandshake(() => 'silence'))
  const connection = await open(broker.port)
  const late = connection.send(findCoordinator, request, { timeoutMs: 50 })
  const behind = connection.send(findCoordinator, request, { timeoutMs: 10_000 })
  const results = await Promise.allSettled([late, behind])
  assert.deepEqual(
    results.map(result => result.status === 'rejected' && result.reason.code),
    [REQUEST_TIMED_OUT.code, CONNECTION_LOST.code],
  )
  assert.ok(connection.closed)
})

test('a broker that accepts and never speaks costs a deadline, not for ever', async () => {
  await using broker = await fakeBroker(() => 'silence')
  await assert.rejects(open(broker.port, { requestTimeoutMs: 50 }), { code: REQUEST_TIMED_OUT.code })
})

test('an address where nobody listens is said to be unreachable', async () => {
  const broker = await fakeBroker(() => 'silence')
  await broker[Symbol.asyncDispose]()
  await assert.rejects(open(broker.port), { code: BROKER_UNREACHABLE.code, message: /127\.0\.0\.1/ })
})

test('TLS towards a broker that speaks none is said to be unreachable', async () => {
  await using broker = await fakeBroker(() => 'hang-up')
  const tls = { ca: '', cert: '', key: '' }
  await assert.rejects(open(broker.port, { tls }), { code: BROKER_UNREACHABLE.code })
})

test('a connection that ends fails whatever waits on it', async () => {
  await using broker = await fakeBroker(afterHandshake(() => 'hang-up'))
  const connection = await open(broker.port)
  const { promise: told, resolve } = Promise.withResolvers<void>()
  connection.onClose(resolve)
  await assert.rejects(connection.send(findCoordinator, request), { code: CONNECTION_LOST.code })
  await told
  await assert.rejects(connection.send(findCoordinator, request), { code: CONNECTION_LOST.code })
})

const hostile: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['a negative size', Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ['a size beyond the bound', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
  ['a frame too small for a header', Buffer.from([0, 0, 0, 1, 0])],
  ['an HTTP answer', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['a TLS alert', Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46, 0, 0])],
]
for (const [what, raw] of hostile) {
  test(`${what} closes the connection with an error that says so`, async () => {
    await using broker = await fakeBroker(afterHandshake(() => ({ raw })))
    const connection = await open(broker.port)
    await assert.rejects(
      connection.send(findCoordinator, request),
      (error: Error & { code: string; cause: { code: string } }) => {
        assert.equal(error.code, CONNECTION_LOST.code)
        assert.match(error.cause.code, /^WIRE_(MALFORMED|TRUNCATED)$/)
        return true
      },
    )
    assert.ok(connection.closed)
  })
}

test('a body that cannot be parsed fails its request with the reason, and the connection', async () => {
  await using broker = await fakeBroker(
    afterHandshake(() => Buffer.concat([coordinatorBody(1), Buffer.from('more')])),
  )
  const connection = await open(broker.port)
  await assert.rejects(connection.send(findCoordinator, request), { code: WIRE_MALFORMED.code })
  assert.ok(connection.closed)
})

test('giving up on a request leaves the connection usable', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let asked = 0
  await using broker = await fakeBroker(
    afterHandshake(async () => {
      if (++asked === 1) await released
      return coordinatorBody(asked)
    }),
  )
  const connection = await open(broker.port, { requestTimeoutMs: 5_000 })
  const giveUp = new AbortController()
  const abandoned = connection.send(findCoordinator, request, { signal: giveUp.signal })
  giveUp.abort(new Error('no longer wanted'))
  await assert.rejects(abandoned, /no longer wanted/)
  const next = connection.send(findCoordinator, request)
  release()
  assert.equal((await next).nodeId, 2)
  connection.close()
})

test('requests beyond the bytes allowed in flight wait until earlier ones are answered', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let received = 0
  await using broker = await fakeBroker(
    afterHandshake(async ({ connection }) => {
      received = connection.bytesRead
      await released
      const writer = new ByteWriter().compactArray([], () => undefined)
      return writer.int32(0).noTaggedFields().finish()
    }),
  )
  const connection = await open(broker.port, { requestTimeoutMs: 5_000, maxInFlightBytes: 10_000 })
  const batch = Buffer.alloc(6_000)
  const send = () =>
    connection.send(produce, {
      timeoutMs: 1,
      topics: [{ topic: 't', partitions: [{ partition: 0, batch }] }],
    })
  const sent = [send(), send(), send()]
  await connectionIdle(broker.connections.values().next().value!)
  assert.ok(received < 2 * batch.length, `${received} bytes were received`)
  release()
  await Promise.all(sent)
  connection.close()
})

/** Until no byte arrived for a moment. */
async function connectionIdle(socket: { readonly bytesRead: number }): Promise<void> {
  for (let before = -1; before !== socket.bytesRead; ) {
    before = socket.bytesRead
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

test('a broker too old or too new is refused with the versions it speaks', async () => {
  const writer = new ByteWriter().int16(0)
  const body = writer
    .compactArray([0], w => w.int16(10).int16(7).int16(9).noTaggedFields())
    .int32(0)
    .noTaggedFields()
    .finish()
  await using broker = await fakeBroker((): FakeAnswer => body)
  const connection = await open(broker.port)
  await assert.rejects(connection.send(findCoordinator, request), {
    code: API_UNSUPPORTED.code,
    message: /7 to 9/,
  })
  await assert.rejects(connection.send(produce, { timeoutMs: 1, topics: [] }), { code: API_UNSUPPORTED.code })
  connection.close()
})

test('closing leaves nothing that keeps the process alive', async () => {
  await using broker = await fakeBroker(afterHandshake(() => 'silence'))
  const before = process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
  const connection = await open(broker.port, { requestTimeoutMs: 60_000 })
  const waiting = connection.send(findCoordinator, request)
  connection.close()
  await assert.rejects(waiting, { code: WIRE_CLOSED.code })
  assert.equal(process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length, before)
})

test('an abort ends an attempt to connect', async () => {
  await using broker = await fakeBroker(() => 'silence')
  const giveUp = new AbortController()
  const opening = open(broker.port, { requestTimeoutMs: 60_000 }, giveUp.signal)
  giveUp.abort(new Error('changed my mind'))
  await assert.rejects(opening, /changed my mind/)
})

/** To a request without topics. */
const producedBody = (throttleMs: number): Buffer =>
  new ByteWriter().uvarint(1).int32(throttleMs).noTaggedFields().finish()

test('what a broker holds back by a quota does not time out, and nothing more is sent to it meanwhile', async () => {
  const heldMs = 900
  let asked = 0
  let heldUntil = 0
  const tooEarly: number[] = []
  await using broker = await fakeBroker(
    afterHandshake(async () => {
      const now = performance.now()
      if (++asked === 1) heldUntil = now + heldMs
      else if (asked > 2 && now < heldUntil) tooEarly.push(heldUntil - now)
      // As a broker does it: it answers at once, and then reads nothing more for a while (KIP-219).
      else await new Promise(resolve => setTimeout(resolve, Math.max(0, heldUntil - now)))
      return producedBody(asked === 1 ? heldMs : 0)
    }),
  )
  const told: number[] = []
  const connection = await open(broker.port, { requestTimeoutMs: 400, onThrottle: ms => told.push(ms) })
  const send = () => connection.send(produce, { timeoutMs: 1, topics: [] })
  const [first, underWay] = [send(), send()]
  await first
  await Promise.all([underWay, send()])
  assert.deepEqual([told, tooEarly, asked], [[heldMs], [], 3])
  connection.close()
})

test('who this side is is asked at each connection, and that nobody can say is said', async () => {
  await using broker = await fakeBroker(() => 'silence')
  let asked = 0
  const tls = async () => {
    throw new Error(`asked ${++asked} times`)
  }
  for (const times of [1, 2])
    await assert.rejects(open(broker.port, { tls }), ({ code, cause }) => {
      assert.equal(code, BROKER_UNREACHABLE.code)
      assert.match(String(cause), new RegExp(`asked ${times} times`))
      return true
    })
  const garbage = { ca: 'x', cert: 'y', key: 'z' }
  await assert.rejects(open(broker.port, { tls: garbage }), {
    code: BROKER_UNREACHABLE.code,
    message: /certificate or the key cannot be used/,
  })
})
