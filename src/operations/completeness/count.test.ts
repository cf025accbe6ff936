import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodePosition, POSITION_HEADER } from '../../foundation/positions/position.ts'
import { RECORDS_AT, rewriteHeader } from '../../foundation/wire/batch.ts'
import { BatchBuilder } from '../../foundation/wire/build.ts'
import { countPositions } from './count.ts'

const [a, b] = ['00000000000000aa', '00000000000000bb']

function batch(
  baseOffset: number,
  positions: readonly (readonly [string, number, number] | undefined)[],
): Buffer {
  const builder = new BatchBuilder()
  for (const position of positions) {
    const headers =
      position === undefined
        ? []
        : [
            {
              key: POSITION_HEADER,
              value: encodePosition({
                stream: position[0],
                start: position[1],
                length: position[2],
                eventDelta: 0,
                hash: 0,
              }),
            },
          ]
    builder.add({ timestamp: 1, value: Buffer.from('x'), headers })
  }
  const bytes = builder.finish()
  rewriteHeader(bytes, 0, { baseOffset })
  return bytes
}

function counted(bytes: Buffer, from = 0) {
  const held: [string, number, number][] = []
  return { ...countPositions(bytes, from, (...range) => held.push(range)), held }
}

test('records that continue each other are told as one range, also across batches', () => {
  const bytes = Buffer.concat([
    batch(0, [
      [a, 0, 10],
      [a, 10, 5],
    ]),
    batch(2, [
      [a, 15, 5],
      [b, 0, 7],
      [a, 20, 1],
    ]),
  ])
  assert.deepEqual(counted(bytes), {
    records: 5,
    withoutPosition: 0,
    unreadable: [],
    held: [
      [a, 0, 20],
      [b, 0, 7],
      [a, 20, 21],
    ],
  })
})

test('a byte that comes twice is told twice', () => {
  assert.deepEqual(
    counted(
      batch(0, [
        [a, 0, 10],
        [a, 0, 10],
      ]),
    ).held,
    [
      [a, 0, 10],
      [a, 0, 10],
    ],
  )
})

test('offsets counted before are passed over; records without a position are counted as such', () => {
  assert.deepEqual(counted(batch(7, [[a, 0, 10], undefined, [a, 10, 10]]), 8), {
    records: 3,
    withoutPosition: 1,
    unreadable: [],
    held: [[a, 10, 20]],
  })
})

test('a batch that cannot be unpacked is said, and hides nothing that follows it', () => {
  const builder = new BatchBuilder({ codec: 'zstd' })
  builder.add({ timestamp: 1, value: Buffer.from('x'.repeat(1_000)) })
  const poison = builder.finish()
  poison.fill(0xff, RECORDS_AT)
  const { unreadable, ...rest } = counted(Buffer.concat([poison, batch(1, [[a, 0, 10]])]))
  assert.deepEqual(rest, { records: 2, withoutPosition: 1, held: [[a, 0, 10]] })
  assert.deepEqual(
    unreadable.map(({ from, to, error }) => [from, to, error.code]),
    [[0, 1, 'BATCH_CORRUPT']],
  )
})
