/** Record batches against the two reference clients, Kafka's own and librdkafka (kcat), through a real broker. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type SharedCluster, sharedCluster } from '../../../test/fleets/cluster.ts'
import { javaClient, run } from '../../../test/wire/java-client.ts'
import { createTopic } from '../../../test/wire/topics.ts'
import { knownApiErrors } from './api-errors.ts'
import { type BatchHeader, batchesIn, verifyCrc } from './batch.ts'
import { BatchBuilder } from './build.ts'
import { CODECS, type Codec, codecId } from './codecs.ts'
import type { Wire } from './contract.ts'
import { type KafkaRecord, markerOf, recordsIn } from './records.ts'
import { openWire } from './wire.ts'

const DEADLINE_MS = 60_000
const T0 = Date.UTC(2026, 10, 23, 5, 0, 0)

let cluster: SharedCluster
let bootstrap: string
let wire: Wire
const unique = randomBytes(4).toString('hex')

before(async () => {
  cluster = await sharedCluster()
  bootstrap = cluster.bootstrap.join(',')
  wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'records-it' })
})

after(async () => {
  await wire?.close()
  await cluster?.[Symbol.asyncDispose]()
})

async function topicFor(what: string, config: Record<string, string> = {}): Promise<string> {
  const name = `records-${unique}-${what}`
  await createTopic(cluster.bootstrap, name, { config: { 'min.insync.replicas': '1', ...config } })
  return name
}

type TestRecord = Omit<KafkaRecord, 'offset'>

/** Keys, values and headers that are null, empty, short, long, binary; times that go back and forth. */
function variedRecords(): TestRecord[] {
  const values = [
    null,
    Buffer.alloc(0),
    Buffer.from('short'),
    randomBytes(700),
    Buffer.alloc(9_000, 'compressible '),
  ]
  return Array.from({ length: 300 }, (_, i) => ({
    timestamp: T0 + ((i * 7_919) % 100_003),
    key: i % 3 === 0 ? null : i % 7 === 0 ? Buffer.alloc(0) : Buffer.from(`key-${i}`),
    value: values[i % values.length]!,
    headers:
      i % 2 === 0
        ? []
        : [
            { key: 'p', value: randomBytes(20) },
            { key: 'ünïcode', value: null },
            { key: 'p', value: Buffer.alloc(0) },
          ],
  }))
}

/** A record as JavaClient.java writes and reads it. */
function lineOf({ timestamp, key, value, headers }: TestRecord): string {
  const hex = (bytes: Buffer | null): string => (bytes === null ? '-' : `x${bytes.toString('hex')}`)
  return [
    timestamp,
    hex(key),
    hex(value),
    ...headers.map(header => `${header.key}=${hex(header.value)}`),
  ].join(' ')
}

interface Segment {
  readonly bytes: Buffer
  readonly batches: readonly BatchHeader[]
}

/** The first segment of a topic's partition 0, as the broker has it on disk. */
async function segmentOf(topic: string): Promise<Segment> {
  const folders = cluster.nodes.flatMap(node => node.logDirs.map(dir => join(dir, `${topic}-0`)))
  const folder = folders.find(existsSync)
  assert.ok(folder !== undefined, `no log dir holds ${topic}-0`)
  const bytes = await readFile(join(folder, '00000000000000000000.log'))
  const walk = batchesIn(bytes)
  const batches: BatchHeader[] = []
  let step = walk.next()
  for (; step.done !== true; step = walk.next()) {
    verifyCrc(bytes, step.value)
    batches.push(step.value)
  }
  assert.equal(step.value, bytes.length, 'the segment ends with a whole batch')
  return { bytes, batches }
}

function recordsOf({ bytes, batches }: Segment): KafkaRecord[] {
  return batches.filter(header => !header.control).flatMap(header => [...recordsIn(bytes, header)])
}

test('what the Java client wrote is read from the segment on disk, in every codec', async () => {
  const records = variedRecords()
  const targets: [string, Codec][] = []
  for (const codec of CODECS) targets.push([await topicFor(`java-${codec}`), codec])
  const args = targets.map(([topic, codec]) => `${topic}=${codec}`)
  await javaClient(['produce', bootstrap, ...args], records.map(lineOf).join('\n'))

  for (const [topic, codec] of targets) {
    const segment = await segmentOf(topic)
    const read = recordsOf(segment)
    assert.deepEqual(read.map(lineOf), records.map(lineOf), codec)
    assert.deepEqual(
      read.map(record => record.offset),
      records.map((_, i) => i),
      codec,
    )
    assert.ok(segment.batches.length > 1, `${codec}: several batches`)
    for (const header of segment.batches) {
      assert.equal(header.codecId, codecId(codec))
      assert.equal(header.baseSequence, header.baseOffset)
      assert.ok(header.producerId >= 0n && !header.transactional && !header.control && !header.logAppendTime)
    }
  }
})

test('what the broker compressed again, or stamped with its own time, is read all the same', async () => {
  const records = variedRecords()
  const started = Date.now()
  const config = { 'compression.type': 'lz4', 'message.timestamp.type': 'LogAppendTime' }
  const topic = await topicFor('rewritten', config)
  await javaClient(['produce', bootstrap, `${topic}=zstd`], records.map(lineOf).join('\n'))
  const segment = await segmentOf(topic)
  for (const header of segment.batches) {
    assert.equal(header.codecId, codecId('lz4'))
    assert.ok(header.logAppendTime)
    for (const record of recordsIn(segment.bytes, header)) assert.equal(record.timestamp, header.maxTimestamp)
    assert.ok(header.maxTimestamp >= started && header.maxTimestamp <= Date.now())
  }
  const withoutTime = (record: TestRecord): string => lineOf({ ...record, timestamp: 0 })
  assert.deepEqual(recordsOf(segment).map(withoutTime), records.map(withoutTime))
})

test('transactions end in markers that say commit and abort', async () => {
  const records = variedRecords().slice(0, 10)
  const topic = await topicFor('transactions')
  await javaClient(['transactions', bootstrap, topic], records.map(lineOf).join('\n'))
  const segment = await segmentOf(topic)
  const story = segment.batches.map(header => {
    assert.ok(header.transactional)
    if (!header.control) return [...recordsIn(segment.bytes, header)].map(lineOf)
    const [marker, ...more] = recordsIn(segment.bytes, header)
    assert.equal(more.length, 0)
    return markerOf(marker!.key)
  })
  const lines = records.map(lineOf)
  assert.deepEqual(story, [lines, 'commit', lines, 'abort'])
})

test('what kcat wrote is read from the segment on disk, in every codec', async () => {
  // One set of headers per run of kcat; an empty value is null with -Z.
  const lines = Array.from(
    { length: 500 },
    (_, i) => `${i % 3 === 0 ? '' : `key-${i}`}|${i % 5 === 0 ? '' : `value ${i} `.repeat(i % 40)}`,
  )
  for (const codec of CODECS) {
    const topic = await topicFor(`kcat-${codec}`)
    const args = [
      '-P',
      '-b',
      bootstrap,
      '-t',
      topic,
      '-p',
      '0',
      '-K',
      '|',
      '-Z',
      '-X',
      `compression.codec=${codec}`,
    ]
    await run('kcat', [...args, '-X', 'acks=all', '-H', 'p=abc', '-H', 'none'], `${lines.join('\n')}\n`)
    const segment = await segmentOf(topic)
    const read = recordsOf(segment).map(({ key, value, headers }) => {
      assert.deepEqual(headers, [
        { key: 'p', value: Buffer.from('abc') },
        { key: 'none', value: null },
      ])
      return `${key ?? ''}|${value ?? ''}`
    })
    assert.deepEqual(read, lines, codec)
    assert.ok(
      segment.batches.some(header => header.codecId === codecId(codec)),
      codec,
    )
  }
})

/** The records in batches of at most `maxBytes`, appended in order by the data plane's own producer. */
async function appendAll(
  topic: string,
  records: readonly TestRecord[],
  codec: Codec,
  maxBytes: number,
): Promise<void> {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  await using producer = await wire.producer({}, signal)
  const builder = new BatchBuilder({ codec, maxBytes })
  const appends: Promise<unknown>[] = []
  for (const record of records) {
    if (builder.add(record)) continue
    appends.push(producer.append(topic, 0, builder.finish(), signal))
    builder.add(record)
  }
  appends.push(producer.append(topic, 0, builder.finish(), signal))
  await Promise.all(appends)
}

const SMALL_BATCH = 64 * 1024
/** All test records at once: several blocks of every codec. */
const LARGE_BATCH = 900 * 1024

test('what Ajna wrote is read by the Java client and by kcat, checksums verified, in every codec', async () => {
  const records = variedRecords()
  const topics: string[] = []
  for (const codec of CODECS) {
    const topic = await topicFor(`ajna-${codec}`)
    await appendAll(topic, records, codec, SMALL_BATCH)
    await appendAll(topic, records, codec, LARGE_BATCH)
    const { batches } = await segmentOf(topic)
    assert.ok(batches.length > 2 && batches.at(-1)!.count === records.length, codec)
    assert.ok(
      batches.every(header => header.codecId === codecId(codec)),
      codec,
    )
    topics.push(topic)
  }
  const written = [...records, ...records]
  const lines = written.map((record, offset) => `${offset} ${lineOf(record)}`)
  const expected = topics.flatMap(topic => [`# ${topic}`, ...lines])
  const java = await javaClient(['consume', bootstrap, 'read_committed', ...topics])
  assert.deepEqual(java.trimEnd().split('\n'), expected)

  for (const topic of topics) {
    const format = '%o %T %K %S %k|%s\n'
    const args = [
      '-C',
      '-b',
      bootstrap,
      '-t',
      topic,
      '-p',
      '0',
      '-o',
      'beginning',
      '-e',
      '-q',
      '-X',
      'check.crcs=true',
      '-f',
      format,
    ]
    const kcat = await run('kcat', args)
    assert.ok(kcat.equals(Buffer.concat(written.map(kcatLine))), topic)
  }
})

/** As kcat prints it; a null has length -1. */
function kcatLine({ timestamp, key, value }: TestRecord, offset: number): Buffer {
  const facts = `${offset} ${timestamp} ${key?.length ?? -1} ${value?.length ?? -1} `
  const none = Buffer.alloc(0)
  return Buffer.concat([Buffer.from(facts), key ?? none, Buffer.from('|'), value ?? none, Buffer.from('\n')])
}

test('the table of error codes is the Java client’s', async () => {
  const printed = await javaClient(['errors'])
  assert.deepEqual(
    knownApiErrors().map(({ code, name }) => `${code} ${name}`),
    printed.trimEnd().split('\n'),
  )
})
