import { parseAddress } from '../../../foundation/wire/cluster.ts'
import { CODECS, type Codec } from '../../../foundation/wire/codecs.ts'

/**
 * What a specification says to Kafka's Java clients (producerConf, consumerConf, adminClientConf, commonClientConf) as what
 * the clients here are told. A setting is applied; or what it asks for is so anyway; or it has no counterpart here, and that
 * is said in the task's status; or the task is refused.
 */
export interface ClientConf {
  readonly bootstrap: readonly string[]
  readonly clientId: string | undefined
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly codec: Codec
  readonly batchBytes: number
  readonly lingerMs: number
  readonly bufferBytes: number
  readonly deliveryTimeoutMs: number
  readonly fromLatest: boolean
  readonly commits: boolean
  readonly committedOnly: boolean
  readonly fetchBytes: number
  readonly fetchWaitMs: number
  readonly groupId: string | undefined
  /** Settings that change nothing here, each with the reason. */
  readonly notApplied: Readonly<Record<string, string>>
}

type Draft = { -readonly [Key in keyof ClientConf]: ClientConf[Key] }

/** What is wrong with a setting; undefined: nothing. */
type Setting = (draft: Draft, value: string) => string | undefined

const DEFAULTS = {
  clientId: undefined,
  requestTimeoutMs: 30_000,
  connectTimeoutMs: 5_000,
  codec: 'none',
  batchBytes: 16_384,
  lingerMs: 5,
  bufferBytes: 32 * 1024 * 1024,
  deliveryTimeoutMs: 120_000,
  fromLatest: false,
  commits: true,
  committedOnly: false,
  fetchBytes: 1024 * 1024,
  fetchWaitMs: 500,
  groupId: undefined,
} as const

const number =
  (key: keyof Draft, from: number, to: number): Setting =>
  (draft, value) => {
    const given = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    if (!(given >= from && given <= to))
      return `a whole number from ${from.toLocaleString('en-US')} to ${to.toLocaleString('en-US')}`
    Object.assign(draft, { [key]: given })
    return undefined
  }

/** It is so anyway. */
const only =
  (...values: readonly string[]): Setting =>
  (_, value) =>
    values.includes(value.toLowerCase()) ? undefined : `${values.join(' or ')}: it is never otherwise here`

const oneOf =
  (key: keyof Draft, values: Readonly<Record<string, unknown>>): Setting =>
  (draft, value) => {
    if (!Object.hasOwn(values, value.toLowerCase())) return Object.keys(values).join(' or ')
    Object.assign(draft, { [key]: values[value.toLowerCase()] })
    return undefined
  }

const truth = (key: keyof Draft): Setting => oneOf(key, { true: true, false: false })

const MAX_MS = 24 * 3_600_000
/** A Java client would send more at once; nothing here is measured with larger ones. */
const MAX_BATCH_BYTES = 1024 * 1024
const MAX_BUFFER_BYTES = 64 * 1024 * 1024
const MAX_FETCH_BYTES = 8 * 1024 * 1024

const SETTINGS: Readonly<Record<string, Setting>> = {
  'bootstrap.servers': (draft, value) => {
    const bootstrap = addressesOf(value)
    if (bootstrap === undefined) return ADDRESSES
    draft.bootstrap = bootstrap
    return undefined
  },
  'client.id': (draft, value) => {
    draft.clientId = value.slice(0, 200)
    return undefined
  },
  'request.timeout.ms': number('requestTimeoutMs', 100, MAX_MS),
  'socket.connection.setup.timeout.ms': number('connectTimeoutMs', 100, MAX_MS),
  'security.protocol': only('plaintext'),
  'compression.type': oneOf('codec', Object.fromEntries(CODECS.map(codec => [codec, codec]))),
  // 0 means a batch a record to a Java producer; a batch holds one record at least here too.
  'batch.size': number('batchBytes', 0, MAX_BATCH_BYTES),
  'linger.ms': number('lingerMs', 0, 60_000),
  'buffer.memory': number('bufferBytes', 1, MAX_BUFFER_BYTES),
  'delivery.timeout.ms': number('deliveryTimeoutMs', 100, MAX_MS),
  acks: only('all', '-1'),
  'enable.idempotence': only('true'),
  'auto.offset.reset': oneOf('fromLatest', { earliest: false, latest: true }),
  'enable.auto.commit': truth('commits'),
  'isolation.level': oneOf('committedOnly', { read_committed: true, read_uncommitted: false }),
  'fetch.max.bytes': number('fetchBytes', 1_024, MAX_FETCH_BYTES),
  'fetch.max.wait.ms': number('fetchWaitMs', 0, 30_000),
  'group.protocol': only('consumer'),
  'group.id': (draft, value) => {
    draft.groupId = value
    return undefined
  },
}

/** Settings of Java clients that shape how they work, and nothing of what is measured here. */
const MOOT: Readonly<Record<string, string>> = {
  'auto.commit.interval.ms': 'what was read is committed every five seconds',
  'client.dns.lookup': 'a name’s first address is used',
  'connections.max.idle.ms': 'connections are kept while the task runs',
  'default.api.timeout.ms': 'calls are repeated while the task runs',
  'fetch.min.bytes': 'records are taken as soon as there are any',
  'max.block.ms': 'a full buffer is waited for while the task runs',
  'max.in.flight.requests.per.connection': 'order is kept whatever is in flight',
  'max.partition.fetch.bytes': 'fetch.max.bytes is shared by a broker’s partitions',
  'max.poll.interval.ms': 'reading and staying in the group are apart',
  'max.poll.records': 'records are counted one by one',
  'max.request.size': 'batch.size bounds what is sent',
  'metadata.max.age.ms': 'metadata is asked for when it is found to be old',
  'receive.buffer.bytes': 'the system’s own is used',
  'reconnect.backoff.max.ms': 'pauses grow to a second',
  'reconnect.backoff.ms': 'pauses grow to a second',
  retries: 'sending is repeated until delivery.timeout.ms',
  'retry.backoff.max.ms': 'pauses grow to a second',
  'retry.backoff.ms': 'pauses grow to a second',
  'send.buffer.bytes': 'the system’s own is used',
}

const ADDRESSES = 'addresses of the form host:port, separated by commas'

/** @param confs by the name of the specification's field, later ones over earlier ones */
export function clientConf(
  bootstrapServers: string,
  confs: Readonly<Record<string, Readonly<Record<string, string>>>>,
): ClientConf | { readonly refused: string } {
  const draft: Draft = { ...DEFAULTS, bootstrap: addressesOf(bootstrapServers) ?? [], notApplied: {} }
  const notApplied: Record<string, string> = {}
  for (const [field, settings] of Object.entries(confs))
    for (const [name, value] of Object.entries(settings)) {
      const place = `${field}[${JSON.stringify(name.slice(0, 80))}]`
      if (Object.hasOwn(MOOT, name)) notApplied[`${field}.${name}`] = MOOT[name]!
      else if (!Object.hasOwn(SETTINGS, name))
        return { refused: `${place}: this setting has no counterpart here; leave it out` }
      else {
        const allowed = SETTINGS[name]!(draft, value)
        if (allowed !== undefined)
          return { refused: `${place}: found ${JSON.stringify(value.slice(0, 80))}, allowed: ${allowed}` }
      }
    }
  if (draft.bootstrap.length === 0)
    return {
      refused: `bootstrapServers: found ${JSON.stringify(bootstrapServers.slice(0, 80))}, allowed: ${ADDRESSES}`,
    }
  return { ...draft, notApplied }
}

function addressesOf(text: string): readonly string[] | undefined {
  const addresses = text
    .split(',')
    .map(each => each.trim())
    .filter(each => each !== '')
  try {
    for (const each of addresses) parseAddress(each)
    return addresses.length === 0 ? undefined : addresses
  } catch {
    return undefined
  }
}
