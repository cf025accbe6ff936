import { MAX_PAYLOAD_BYTES, type Payload } from '../spec/payload.ts'
import { javaRandom } from './java-random.ts'

/** Gives the payload of a position, 0 for a task's first record. What it gave before may be overwritten. */
export type Generator = (position: number) => Buffer | null

const TIME_BYTES = 8

/** Byte for byte what trogdor's generator of that name makes of a position and, where it says the time, of the time. */
export function generatorOf(payload: Payload, now: () => number = Date.now): Generator {
  switch (payload.type) {
    case 'null':
      return () => null
    case 'constant': {
      const value = Buffer.from(payload.value, 'base64')
      const bytes = Buffer.alloc(payload.size)
      if (value.length > 0) bytes.fill(value)
      return () => bytes
    }
    case 'sequential':
      return sequential(payload.size, payload.startOffset)
    case 'uniformRandom':
      return uniformRandom(payload)
    case 'randomComponent':
      return randomComponent(payload, now)
    case 'timestampConstant': {
      const bytes = Buffer.alloc(payload.size)
      return () => stamped(bytes, now())
    }
    case 'timestampRandom': {
      const random = javaRandom()
      const bytes = Buffer.alloc(payload.size)
      const rest = bytes.subarray(TIME_BYTES)
      return position => {
        random.seed(payload.seed + position)
        random.fill(rest)
        return stamped(bytes, now())
      }
    }
    case 'gaussianTimestampConstant':
    case 'gaussianTimestampRandom':
      return gaussian(payload, now)
    default:
      return payload satisfies never
  }
}

/** The lowest byte first, so that any size will do. */
function sequential(size: number, start: number): Generator {
  const bytes = Buffer.alloc(size)
  const number = Buffer.alloc(8)
  return position => {
    number.writeBigInt64LE(BigInt(position) + BigInt(start))
    number.copy(bytes)
    return bytes
  }
}

function uniformRandom({ size, seed, padding }: Extract<Payload, { type: 'uniformRandom' }>): Generator {
  const random = javaRandom()
  const bytes = Buffer.alloc(size)
  random.seed(seed)
  random.fill(bytes.subarray(size - padding))
  const changing = bytes.subarray(0, size - padding)
  return position => {
    random.seed(seed + position)
    random.fill(changing)
    return bytes
  }
}

function randomComponent(
  { seed, components }: Extract<Payload, { type: 'randomComponent' }>,
  now: () => number,
): Generator {
  const random = javaRandom()
  const parts = components.map(({ percent, component }) => ({ percent, make: generatorOf(component, now) }))
  return position => {
    random.seed(seed + position)
    let drawn = random.below(100)
    const part = parts.find(({ percent }) => {
      drawn -= percent
      return drawn < 0
    })
    return (part ?? parts[0]!).make(position)
  }
}

function gaussian(
  payload: Extract<Payload, { type: `gaussianTimestamp${string}` }>,
  now: () => number,
): Generator {
  const { messageSizeAverage, messageSizeDeviation, messagesUntilSizeChange, seed, type } = payload
  const random = javaRandom()
  let bytes = Buffer.alloc(0)
  let made = 0
  return position => {
    random.seed(seed + position)
    if (bytes.length === 0 || made >= messagesUntilSizeChange) {
      made = 0
      const size = Math.trunc(random.gaussian() * messageSizeDeviation) + messageSizeAverage
      bytes = Buffer.alloc(Math.max(TIME_BYTES, Math.min(size, MAX_PAYLOAD_BYTES)))
    }
    made++
    if (type === 'gaussianTimestampRandom') random.fill(bytes)
    return stamped(bytes, now())
  }
}

function stamped(bytes: Buffer, ms: number): Buffer {
  bytes.writeBigInt64LE(BigInt(ms))
  return bytes
}
