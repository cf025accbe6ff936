/**
 * Valid batches, damaged at random, through everything that reads them. Each input must end in records or in a typed
 * error, soon, and within bounded memory. AJNA_FUZZ_SECONDS makes it longer, AJNA_TEST_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Random, seededRandom } from '../../../test/wire/random.ts'
import { isAjnaError } from '../errors/errors.ts'
import { visitPositions } from '../positions/count.ts'
import { encodePosition } from '../positions/position.ts'
import { batchesIn, hasValidCrc, rewriteHeader } from './batch.ts'
import { BatchBuilder } from './build.ts'
import { CODECS } from './codecs.ts'
import { markerOf, recordsIn } from './records.ts'

const SECONDS = Number(process.env['AJNA_FUZZ_SECONDS'] ?? 2)
const random = seededRandom()
const SEED = random.seed
const MAX_UNPACKED_BYTES = 256 * 1024
/** CPU time for one input, some three orders of magnitude above an honest one's. */
const HANG_MICROSECONDS = 2_000_000
const MAX_GROWTH_BYTES = 300 * 1024 * 1024

function samples(): Buffer[] {
  return CODECS.flatMap(codec =>
    [1, 5, 60].map(count => {
      const batches = [0, 1].map(index => {
        const builder = new BatchBuilder({ codec })
        for (let i = 0; i < count; i++) {
          const position = encodePosition({
            stream: '0123456789abcdef',
            start: i * 50,
            length: 50,
            eventDelta: -i,
            hash: i,
          })
          builder.add({
            timestamp: 1_700_000_000_000 + i,
            key: i % 3 === 0 ? null : Buffer.from(`key ${i}`),
            value: i % 7 === 6 ? null : Buffer.from(`value ${i} `.repeat(i % 9)),
            headers:
              i % 2 === 0
                ? [
                    { key: 'p', value: position },
                    { key: 'empty', value: null },
                  ]
                : [],
          })
        }
        const batch = builder.finish()
        rewriteHeader(batch, 0, { baseOffset: index * count })
        return batch
      })
      return Buffer.concat(batches)
    }),
  )
}

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0xfe]
const INTERESTING_32 = [0, -1, 1, 0x7fff_ffff, -0x8000_0000, 0x0fff_ffff, 49, 61]

/** One random change. */
function damage(input: Buffer, { integer: next, pick }: Random): Buffer {
  if (input.length < 8) return Buffer.alloc(64, next(256))
  const at = next(input.length)
  const bytes = Buffer.from(input)
  switch (next(8)) {
    case 0:
      bytes[at]! ^= 1 << next(8)
      return bytes
    case 1:
      bytes[at] = pick(INTERESTING)
      return bytes
    case 2:
      bytes[at] = next(256)
      return bytes
    case 3:
      bytes.writeInt32BE(pick(INTERESTING_32), Math.min(at, input.length - 4))
      return bytes
    case 4:
      return bytes.subarray(0, at)
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(next(input.length))])
    case 6:
      return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(next(20), next(256)), bytes.subarray(at)])
    default:
      // In the header, where most is decided.
      bytes[Math.min(next(70), input.length - 1)] = next(256)
      return bytes
  }
}

/** Everything that reads batches; each step on its own, so that one's refusal does not hide the next. */
function readAll(bytes: Buffer): number {
  let records = 0
  attempt(() => {
    for (const header of batchesIn(bytes)) {
      hasValidCrc(bytes, header)
      attempt(() => {
        for (const record of recordsIn(bytes, header, MAX_UNPACKED_BYTES)) {
          markerOf(record.key)
          records++
        }
      })
      attempt(() => visitPositions(bytes, header, () => undefined, MAX_UNPACKED_BYTES))
      attempt(() => rewriteHeader(bytes, header.at, { producerId: 1n, producerEpoch: 0, baseSequence: 5 }))
    }
  })
  return records
}

function attempt(step: () => void): void {
  try {
    step()
  } catch (error) {
    if (!isAjnaError(error)) throw error
  }
}

test(`damaged batches end in records or a typed error (seed ${SEED}, ${SECONDS} s)`, async t => {
  const corpus = samples()
  for (const sample of corpus) assert.ok(readAll(Buffer.from(sample)) >= 2, 'an undamaged sample is read')
  const before = process.memoryUsage().rss
  const deadline = performance.now() + SECONDS * 1000
  let runs = 0
  let records = 0
  while (performance.now() < deadline) {
    let input = random.pick(corpus)
    for (let changes = 1 + random.integer(4); changes > 0; changes--) input = damage(input, random)
    const hex = input.length < 4000 ? input.toString('hex') : `${input.length} bytes`
    const started = process.cpuUsage()
    try {
      records += readAll(input)
    } catch (error) {
      throw new Error(`seed ${SEED}, run ${runs}, input ${hex}`, { cause: error })
    }
    const { user, system } = process.cpuUsage(started)
    assert.ok(user + system < HANG_MICROSECONDS, `seed ${SEED}, run ${runs} took too long: ${hex}`)
    // What native code allocated is freed in the event loop's turns only.
    if (++runs % 1000 === 0) await setImmediate()
  }
  const growth = process.memoryUsage().rss - before
  t.diagnostic(
    `seed ${SEED}: ${runs} inputs, ${records} records, ${Math.round(growth / 1e6)} MB more resident`,
  )
  assert.ok(runs > 0 && records > 0)
  assert.ok(growth < MAX_GROWTH_BYTES, `seed ${SEED}: memory grew by ${growth} bytes`)
})
