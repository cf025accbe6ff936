import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../../errors/errors.ts'
import { ByteReader, ByteWriter } from '../bytes.ts'
import { WIRE_MALFORMED, WIRE_TRUNCATED } from '../errors.ts'
import { addPartitionsToTxn } from './add-partitions-to-txn.ts'
import { apiVersions } from './api-versions.ts'
import { consumerGroupHeartbeat } from './consumer-group-heartbeat.ts'
import { deleteRecords } from './delete-records.ts'
import { describeProducers } from './describe-producers.ts'
import { endTxn } from './end-txn.ts'
import { fetch } from './fetch.ts'
import { findCoordinator } from './find-coordinator.ts'
import { initProducerId } from './init-producer-id.ts'
import { listOffsets } from './list-offsets.ts'
import type { Message } from './message.ts'
import { metadata } from './metadata.ts'
import { offsetCommit } from './offset-commit.ts'
import { offsetFetch } from './offset-fetch.ts'
import { produce } from './produce.ts'
import { writeTxnMarkers } from './write-txn-markers.ts'

const ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

function topics(writer: ByteWriter, partition: (writer: ByteWriter) => void): ByteWriter {
  return writer.compactArray([0], w => {
    w.compactString('topic').compactArray([0, 1], partition).noTaggedFields()
  })
}

function int32(writer: ByteWriter, value: number): void {
  writer.int32(value)
}

const fetchSample = new ByteWriter().int32(0).int16(0).int32(5)
fetchSample.compactArray([0], w => {
  w.uuid(ID).compactArray([0, 1], each => {
    each.int32(0).int16(0).int64(9).int64(9).int64(0)
    each.compactNullableArray([0], a => a.bigint64(1n).int64(3).noTaggedFields()).int32(-1)
    each.compactNullableBytes(Buffer.from('records')).uvarint(1).uvarint(0).uvarint(13)
    each.int32(2).int64(7).noTaggedFields()
  })
  w.noTaggedFields()
})

const metadataSample = new ByteWriter().int32(0)
metadataSample.compactArray([0], w => {
  w.int32(1).compactString('host').int32(9092).compactNullableString('rack').noTaggedFields()
})
metadataSample.compactNullableString('cluster').int32(1)
metadataSample.compactArray([0], w => {
  w.int16(0).compactNullableString('topic').uuid(ID).boolean(false)
  w.compactArray([0, 1], (each, index) => {
    each.int16(0).int32(index).int32(1).int32(4)
    each.compactArray([1, 2], int32).compactArray([1], int32).compactArray([], int32).noTaggedFields()
  })
  w.int32(0).noTaggedFields()
})

/** A well-formed response for each message, in its newest version. */
const samples: readonly (readonly [message: Message<never, unknown>, body: ByteWriter])[] = [
  [
    apiVersions,
    new ByteWriter()
      .int16(0)
      .compactArray([0, 1], (w, key) => w.int16(key).int16(0).int16(9).noTaggedFields())
      .int32(0),
  ],
  [metadata, metadataSample],
  [fetch, fetchSample],
  [
    produce,
    topics(new ByteWriter(), w => {
      w.int32(0).int16(10).int64(-1).int64(-1).int64(0)
      w.compactArray([0], e => e.int32(3).compactNullableString('why').noTaggedFields())
        .compactNullableString(null)
        .noTaggedFields()
    }).int32(0),
  ],
  [
    listOffsets,
    topics(new ByteWriter().int32(0), w => w.int32(0).int16(0).int64(-1).int64(5).int32(2).noTaggedFields()),
  ],
  [initProducerId, new ByteWriter().int32(0).int16(0).bigint64(1n).int16(0)],
  [
    findCoordinator,
    new ByteWriter().int32(0).int16(0).compactNullableString(null).int32(1).compactString('host').int32(1),
  ],
  [addPartitionsToTxn, topics(new ByteWriter().int32(0), w => w.int32(0).int16(0).noTaggedFields())],
  [endTxn, new ByteWriter().int32(0).int16(0)],
  [
    consumerGroupHeartbeat,
    new ByteWriter()
      .int32(0)
      .int16(0)
      .compactNullableString(null)
      .compactNullableString('member')
      .int32(3)
      .int32(5_000)
      .int8(1)
      .compactArray([0, 1], w => w.uuid(ID).compactArray([0, 1], int32).noTaggedFields())
      .noTaggedFields(),
  ],
  [offsetCommit, topics(new ByteWriter().int32(0), w => w.int32(0).int16(0).noTaggedFields())],
  [
    offsetFetch,
    new ByteWriter().int32(0).compactArray([0], w => {
      w.compactString('group')
      topics(w, each => {
        each.int32(0).int64(9).int32(-1).compactNullableString('').int16(0).noTaggedFields()
      })
      w.int16(0).noTaggedFields()
    }),
  ],
  [deleteRecords, topics(new ByteWriter().int32(0), w => w.int32(0).int64(5).int16(0).noTaggedFields())],
  [
    writeTxnMarkers,
    new ByteWriter().compactArray([0], w => {
      topics(w.bigint64(1n), each => each.int32(0).int16(0).noTaggedFields()).noTaggedFields()
    }),
  ],
  [
    describeProducers,
    topics(new ByteWriter().int32(0), w => {
      w.int32(0).int16(0).compactNullableString(null)
      w.compactArray([0], e =>
        e.bigint64(1n).int32(0).int32(5).int64(0).int32(0).int64(-1).noTaggedFields(),
      ).noTaggedFields()
    }),
  ],
]

function parse(message: Message<never, unknown>, bytes: Buffer): unknown {
  return message.parse(new ByteReader(bytes), message.maxVersion)
}

/** Either it parses, or it is refused with a typed error: nothing else may come out of bytes. */
function survive(message: Message<never, unknown>, bytes: Buffer): void {
  try {
    parse(message, bytes)
  } catch (error) {
    assert.ok(
      isAjnaError(error, WIRE_MALFORMED, WIRE_TRUNCATED),
      `${String(error)} for ${bytes.toString('hex')}`,
    )
  }
}

for (const [message, writer] of samples) {
  const sample = Buffer.from(writer.noTaggedFields().finish())

  test(`${message.name}: a well-formed response parses`, () => {
    assert.ok(parse(message, sample) !== undefined)
  })

  test(`${message.name}: a response cut anywhere is refused`, () => {
    for (let length = 0; length < sample.length; length++) {
      assert.throws(() => parse(message, sample.subarray(0, length)), {
        code: /^WIRE_(TRUNCATED|MALFORMED)$/,
      })
    }
  })

  test(`${message.name}: a response with something after it is refused`, () => {
    assert.throws(() => parse(message, Buffer.concat([sample, Buffer.from([0])])), {
      code: WIRE_MALFORMED.code,
    })
  })

  test(`${message.name}: every single byte replaced by every extreme gives a value or a typed error`, () => {
    for (let at = 0; at < sample.length; at++) {
      for (const value of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
        const bytes = Buffer.from(sample)
        bytes[at] = value
        survive(message, bytes)
      }
    }
  })

  test(`${message.name}: random and spliced bytes give a value or a typed error`, () => {
    const spliced = fc.tuple(fc.nat(sample.length), fc.nat(sample.length), fc.uint8Array({ maxLength: 12 }))
    fc.assert(
      fc.property(spliced, fc.uint8Array({ maxLength: 200 }), ([from, to, middle], random) => {
        survive(message, Buffer.from(random))
        survive(message, Buffer.concat([sample.subarray(0, from), middle, sample.subarray(to)]))
      }),
      { numRuns: 500 },
    )
  })
}
