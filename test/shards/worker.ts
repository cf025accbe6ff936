/**
 * One process of the chaos test: a member that writes to the counters of its shards, and says on standard output what it
 * was told and what it holds (WorkerLine). Ends orderly on SIGTERM, at once when its parent is gone.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAjnaError } from '../../src/foundation/errors/errors.ts'
import { JOURNAL_NOT_SENT, JOURNAL_OUTCOME_UNKNOWN } from '../../src/foundation/journal/errors.ts'
import { openJournal } from '../../src/foundation/journal/journal.ts'
import { openKafkaLog } from '../../src/foundation/journal/kafka-log.ts'
import { createLogger } from '../../src/foundation/log/log.ts'
import type { ShardTerms } from '../../src/foundation/shards/contract.ts'
import { joinShards, type Shards } from '../../src/foundation/shards/shards.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { fencedCounters } from './fenced-counters.ts'

export interface WorkerTask {
  readonly bootstrap: readonly string[]
  readonly topic: string
  readonly name: string
  /** Write ids of this process are above it. */
  readonly firstId: number
  readonly terms: ShardTerms
  readonly snapshotEvery: number
}

/** Times are ms on the machine's monotonic clock, the same for all processes. */
export type WorkerLine =
  | { readonly kind: 'told'; readonly id: number; readonly accepted: boolean; readonly offset: number }
  /** Until the next such line of this process, and no longer than `until`: what it may act on. */
  | {
      readonly kind: 'holds'
      readonly at: number
      readonly until: number
      readonly instance: string
      readonly shards: readonly number[]
    }
  | { readonly kind: 'left'; readonly next: number; readonly digest: string }

const WRITE_EVERY_MS = 500
const LOOK_EVERY_MS = 50

export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

if (process.argv[2] !== undefined) {
  process.stdin.on('end', () => process.exit(1)).resume()
  await work(JSON.parse(process.argv[2]) as WorkerTask)
  process.stdin.destroy()
}

async function work({ bootstrap, topic, name, firstId, terms, snapshotEvery }: WorkerTask): Promise<void> {
  const logger = createLogger(name, 2, process.env['AJNA_LOG_LEVEL'] ?? 'error')
  const ending = new AbortController()
  process.once('SIGTERM', () => ending.abort())
  await using wire = openWire({ bootstrap, clientId: name, connectTimeoutMs: 1_000, requestTimeoutMs: 2_000 })
  const log = openKafkaLog({ wire, topic })
  await using journal = await openJournal({ log, machine: fencedCounters, snapshotEvery, logger })
  journal.stopped.addEventListener('abort', () =>
    logger.info({ err: journal.stopped.reason }, 'journal stopped'),
  )
  let shards: Shards | undefined
  let nextId = firstId
  let said = ''

  async function write(instance: string, shard: number, token: number): Promise<void> {
    const id = ++nextId
    const command = { kind: 'write', instance, shard, token, id } as const
    try {
      const { accepted, offset } = await journal.submit(command)
      say({ kind: 'told', id, accepted, offset })
    } catch (error) {
      if (!isAjnaError(error, JOURNAL_OUTCOME_UNKNOWN, JOURNAL_NOT_SENT)) throw error
    }
  }

  /** Goes on for a moment after the shard is lost: its last writes are a deposed owner's. */
  async function writeOn(shard: number, token: number): Promise<void> {
    while (!ending.signal.aborted) {
      await sleep(WRITE_EVERY_MS * (0.5 + Math.random()))
      if (shards === undefined) continue
      if (shards.stopped.aborted) return
      const stillOurs = shards.working().get(shard) === token
      await write(shards.instance(), shard, token)
      if (!stillOurs) return
    }
  }

  function look(): void {
    if (shards === undefined) return
    const { holds } = shards
    const held = Array.from({ length: terms.shards }, (_, shard) => ({
      shard,
      until: holds(shard)?.until ?? 0,
    }))
    const holding = held.filter(({ until }) => until > 0)
    const now = {
      until: holding[0]?.until ?? 0,
      instance: shards.instance(),
      shards: holding.map(({ shard }) => shard),
    }
    if (JSON.stringify(now) === said) return
    said = JSON.stringify(now)
    say({ kind: 'holds', at: monotonic(), ...now })
  }

  shards = await joinShards({
    journal,
    select: state => state.shards,
    wrap: command => command,
    name,
    terms,
    clock: { monotonic, wall: Date.now },
    logger,
    gained: (shard, token) => {
      writeOn(shard, token).catch(error => {
        logger.error({ err: error }, 'writing failed')
        process.exit(2)
      })
    },
    lost: look,
  })
  shards.stopped.addEventListener('abort', () => {
    if (ending.signal.aborted) return
    logger.error({ err: shards?.stopped.reason }, 'out of the group')
    process.exit(3)
  })

  journal.observe(look)
  const looking = setInterval(look, LOOK_EVERY_MS)
  if (!ending.signal.aborted) await once(ending.signal, 'abort')
  clearInterval(looking)
  await shards.leave()
  look()
  await journal.sync()
  say({ kind: 'left', ...journal.digest() })
}

/** Pipes are written synchronously: what was said is said, whatever kills the process next. */
function say(line: WorkerLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
