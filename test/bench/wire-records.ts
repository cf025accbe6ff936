/** Record batches: parsed, built, and their headers rewritten. Run with `make bench-wire-records`. */
import { batchesIn, hasValidCrc, readBatchHeader, rewriteHeader } from '../../src/foundation/wire/batch.ts'
import { BatchBuilder, type RecordInput } from '../../src/foundation/wire/build.ts'
import { CODECS, type Codec } from '../../src/foundation/wire/codecs.ts'
import { crc32c } from '../../src/foundation/wire/crc32c.ts'
import { recordCursor, recordsIn } from '../../src/foundation/wire/records.ts'
import { type Rate, rateOf, report } from './lib/measure.ts'

const RECORD_BYTES = 100
const BATCH_BYTES = 256 * 1024
const WORK = 400_000

const inputs: RecordInput[] = Array.from({ length: 1000 }, (_, i) => ({
  timestamp: 1_700_000_000_000 + i,
  key: Buffer.from(`key-${i % 50}`),
  value: Buffer.from(`${i} a line of some service's log, more or less `.repeat(4).slice(0, RECORD_BYTES)),
}))

function buildOne(codec: Codec): Buffer {
  const builder = new BatchBuilder({ codec, maxBytes: BATCH_BYTES })
  for (let i = 0; builder.add(inputs[i % inputs.length]!); i++);
  return builder.finish()
}

function parse(batch: Buffer, each: (batch: Buffer) => number): number {
  let records = 0
  while (records < WORK) records += each(batch)
  return records
}

function parseRates(codec: Codec): Rate[] {
  const batch = buildOne(codec)
  const header = readBatchHeader(batch)
  const cursor = (): number => {
    const records = recordCursor(batch, header)
    let count = 0
    while (records.next()) if (records.valueStart >= 0) count++
    return count
  }
  const values = (): number => {
    let count = 0
    for (const record of recordsIn(batch, header)) if (record.value !== null) count++
    return count
  }
  return [
    rateOf(`records parsed by cursor, ${codec}`, () => parse(batch, cursor)),
    rateOf(`records parsed as values, ${codec}`, () => parse(batch, values)),
  ]
}

function build(codec: Codec): number {
  const builder = new BatchBuilder({ codec, maxBytes: BATCH_BYTES })
  for (let i = 0; i < WORK / 2; i++) {
    const record = inputs[i % inputs.length]!
    if (builder.add(record)) continue
    builder.finish()
    builder.add(record)
  }
  return WORK / 2
}

/** As a mirror does: the CRC is verified, then the header rewritten. */
function rewrite(batch: Buffer, how: 'derived' | 'full', verify: boolean): number {
  const times = Math.max(200, Math.round(4e8 / (batch.length + 20_000)))
  let sequence = 0
  for (let i = 0; i < times; i++) {
    for (const header of batchesIn(batch)) {
      if (verify && !hasValidCrc(batch, header)) throw new Error('the batch became corrupt')
      rewriteHeader(batch, header.at, {
        baseOffset: 0,
        producerId: 4711n,
        producerEpoch: 0,
        baseSequence: sequence++,
      })
      if (how === 'full') batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
    }
  }
  return times
}

const large = buildOne('none')
const small = ((): Buffer => {
  const builder = new BatchBuilder()
  builder.add(inputs[0]!)
  return builder.finish()
})()

report('wire-records', [
  ...CODECS.flatMap(parseRates),
  ...CODECS.map(codec => rateOf(`records built, ${codec}`, () => build(codec))),
  rateOf('headers rewritten, 256 KiB, CRC derived', () => rewrite(large, 'derived', false)),
  rateOf('headers rewritten, 256 KiB, CRC in full', () => rewrite(large, 'full', false)),
  rateOf('headers rewritten, 256 KiB, verified, CRC derived', () => rewrite(large, 'derived', true)),
  rateOf('headers rewritten, one record, CRC derived', () => rewrite(small, 'derived', false)),
])
