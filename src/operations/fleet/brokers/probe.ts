import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { ByteReader, ByteWriter } from '../../../foundation/wire/bytes.ts'
import type { TlsIdentity } from '../../../foundation/wire/contract.ts'
import { BROKER_NOT_READY } from './errors.ts'

/** What a broker says of itself and of those it knows to be alive. */
export interface ProbeAnswer {
  readonly clusterId: string | null
  /** Registered and not fenced, as the asked one knows. */
  readonly aliveBrokers: readonly number[]
}

export interface ProbeOptions {
  readonly host: string
  readonly port: number
  readonly tls?: TlsIdentity | undefined
  /** From connecting to the answer; a healthy broker takes some 30 ms, a frozen one never answers. */
  readonly timeoutMs: number
}

const metadataKey = 3
/** The lowest version that every Kafka from 1.0 to 4.x answers and that may ask for no topic at all. */
const metadataVersion = 4
const correlation = 1
const maxAnswerBytes = 1 << 20

/**
 * Asks one broker for its cluster's id and brokers over a connection of its own: a readiness and liveness check that
 * shares nothing with the clients' connections.
 *
 * @throws AjnaError BROKER_NOT_READY: not reachable, not answering in time, or not speaking Kafka
 */
export async function probeBroker(options: ProbeOptions): Promise<ProbeAnswer> {
  const { host, port, tls, timeoutMs } = options
  const socket = tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...tls })
  try {
    return await exchange(socket, tls === undefined ? 'connect' : 'secureConnect', timeoutMs)
  } catch (cause) {
    throw new AjnaError(BROKER_NOT_READY, `${host}:${port} does not answer`, {
      cause,
      details: { host, port },
    })
  } finally {
    socket.destroy()
  }
}

function exchange(socket: Socket, readyEvent: string, timeoutMs: number): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
    let received = Buffer.alloc(0)
    socket.once(readyEvent, () => socket.write(metadataRequest()))
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      try {
        const answer = parseAnswer(received)
        if (answer !== undefined) resolve(answer)
      } catch (error) {
        reject(error)
      }
    })
    socket.once('error', reject)
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error('connection closed'))
    })
  })
}

function metadataRequest(): Buffer {
  const body = new ByteWriter()
  body.int16(metadataKey)
  body.int16(metadataVersion)
  body.int32(correlation)
  body.string('ajna-probe')
  body.int32(0) // no topics
  body.boolean(false) // create none
  const bytes = body.finish()
  const frame = Buffer.alloc(4 + bytes.length)
  frame.writeInt32BE(bytes.length)
  bytes.copy(frame, 4)
  return frame
}

/** Undefined while the answer is not whole. */
function parseAnswer(received: Buffer): ProbeAnswer | undefined {
  if (received.length < 4) return undefined
  const length = received.readInt32BE()
  if (length < 0 || length > maxAnswerBytes) throw new Error(`a frame of ${length} bytes: not a Kafka broker`)
  if (received.length < 4 + length) return undefined
  const reader = new ByteReader(received, 4, 4 + length)
  if (reader.int32() !== correlation) throw new Error('the answer is to another question: not a Kafka broker')
  reader.int32() // throttle time
  const count = reader.int32()
  const aliveBrokers: number[] = []
  for (let index = 0; index < count; index++) {
    aliveBrokers.push(reader.int32())
    reader.string() // host
    reader.int32() // port
    reader.nullableString() // rack
  }
  return { clusterId: reader.nullableString(), aliveBrokers }
}
