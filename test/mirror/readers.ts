import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer, ProduceAcks, Producer } from '@platformatic/kafka'
import type { TlsIdentity } from '../../src/foundation/wire/contract.ts'

/** Applications on both sides of a link: one that writes numbered records, groups that read them. */

export interface Address {
  readonly bootstrap: readonly string[]
  readonly tls: TlsIdentity
}

const connection = (clientId: string, { bootstrap, tls }: Address) => ({
  clientId,
  bootstrapBrokers: [...bootstrap],
  tls: { ca: tls.ca, cert: tls.cert, key: tls.key },
  connectTimeout: 5_000,
  requestTimeout: 10_000,
  retries: 5,
})

export interface Read {
  readonly partition: number
  readonly offset: number
  readonly value: string
}

export interface Reader extends AsyncDisposable {
  readonly read: Read[]
  /** Commits what it has handled, leaves the group, ends. */
  stop(): Promise<void>
}

/** A member of a group that handles records one by one and commits each partition's position after every one. */
export async function startReader(at: Address, groupId: string, topic: string): Promise<Reader> {
  const consumer = new Consumer({
    ...connection(`reader-${groupId}`, at),
    groupId,
    sessionTimeout: 10_000,
    heartbeatInterval: 1_000,
    maxWaitTime: 200,
  })
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'committed',
    fallbackMode: 'earliest',
    autocommit: false,
    maxBytes: 262_144,
  })
  const read: Read[] = []
  let stopping = false
  const done = (async () => {
    for await (const message of stream) {
      if (stopping) break
      const offset = Number(message.offset)
      read.push({ partition: message.partition, offset, value: message.value.toString() })
      await consumer.commit({
        offsets: [{ topic, partition: message.partition, offset: message.offset + 1n, leaderEpoch: -1 }],
      })
    }
  })()
  done.catch(() => undefined)
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    stopping = true
    await stream.close()
    await done
    await consumer.close(true)
  }
  return {
    read,
    stop: () => {
      stopped ??= stop()
      return stopped
    },
    [Symbol.asyncDispose]: async () => {
      stopped ??= stop()
      await stopped.catch(() => undefined)
    },
  }
}

export interface Writer extends AsyncDisposable {
  /** Records acknowledged so far. */
  readonly written: number
  /** Ends after the record it is at; answers how many were acknowledged. */
  stop(): Promise<number>
}

/**
 * Writes `0`, `1`, `2` … one after the other, round robin over the partitions, to whichever of the sides lets it: one that
 * refuses it is left for the other, with the same record.
 */
export function startWriter(
  sides: readonly Address[],
  topic: string,
  partitions: number,
  everyMs: number,
): Writer {
  let written = 0
  let stopping = false
  const done = (async () => {
    let at = 0
    let producer = open(sides[0]!)
    while (!stopping) {
      try {
        await producer.send({
          acks: ProduceAcks.ALL,
          messages: [{ topic, partition: written % partitions, value: Buffer.from(String(written)) }],
        })
        written++
        await sleep(everyMs)
      } catch (error) {
        if (!refused(error)) throw error
        await producer.close()
        at = (at + 1) % sides.length
        producer = open(sides[at]!)
        await sleep(50)
      }
    }
    await producer.close()
    return written
  })()
  done.catch(() => undefined)
  return {
    get written() {
      return written
    },
    stop() {
      stopping = true
      return done
    },
    [Symbol.asyncDispose]: async () => {
      stopping = true
      await done.catch(() => undefined)
    },
  }
}

const open = (at: Address): Producer => new Producer({ ...connection('writer', at), retries: 0 })

const TOPIC_AUTHORIZATION_FAILED = 29

/** Not written, and it will not be: anything else leaves a doubt, which a test of loss and repeats must not have. */
function refused(error: unknown): boolean {
  for (let each: unknown = error, depth = 0; depth < 6 && each instanceof Error; each = each.cause, depth++) {
    if ((each as { apiCode?: number }).apiCode === TOPIC_AUTHORIZATION_FAILED) return true
    const errors = (each as unknown as { errors?: unknown[] }).errors
    if (Array.isArray(errors) && errors.length > 0 && errors.every(refused)) return true
  }
  return false
}
