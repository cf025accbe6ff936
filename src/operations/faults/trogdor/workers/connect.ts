import { setTimeout as delay } from 'node:timers/promises'
import { parseAddress } from '../../../../foundation/wire/cluster.ts'
import { connect } from '../../../../foundation/wire/connection.ts'
import type { ClientConf } from '../client-conf.ts'
import type { ConnectPlan } from '../plan.ts'
import { rounded, type WorkContext } from './context.ts'
import { notApplied, wireOf } from './produce.ts'

const REPORT_EVERY_MS = 1_000

/** Trogdor's ConnectionStress: connects, or asks for metadata, and disconnects, so often a second, until it is ended. */
export async function connectionStress(
  plan: ConnectPlan,
  { id, report, ending }: WorkContext,
): Promise<void> {
  const { client, perSecond, atOnce, metadata } = plan
  const startAt = performance.now()
  let begun = 0
  let total = 0
  let failed = 0
  const attempt = metadata ? askMetadata : connectOnce
  const say = (): void =>
    report({
      totalConnections: total,
      totalFailedConnections: failed,
      connectsPerSec: rounded((total * 1_000) / Math.max(1, performance.now() - startAt)),
      ...notApplied(client),
    })
  const timer = setInterval(say, REPORT_EVERY_MS)
  const loop = async (): Promise<void> => {
    while (!ending.aborted) {
      const dueAt = startAt + (begun++ * 1_000) / perSecond
      await delay(Math.max(0, dueAt - performance.now()), undefined, { signal: ending })
      const done = await attempt(client, `connect.${id}`, begun, ending)
      if (ending.aborted) return
      total++
      if (!done) failed++
    }
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, loop))
  } finally {
    clearInterval(timer)
    say()
  }
}

async function connectOnce(
  client: ClientConf,
  clientId: string,
  turn: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { bootstrap, connectTimeoutMs, requestTimeoutMs } = client
  const address = parseAddress(bootstrap[turn % bootstrap.length]!)
  try {
    const connection = await connect({ ...address, clientId, connectTimeoutMs, requestTimeoutMs }, signal)
    connection.close()
    return true
  } catch {
    return false
  }
}

async function askMetadata(
  client: ClientConf,
  clientId: string,
  _: number,
  signal: AbortSignal,
): Promise<boolean> {
  await using wire = wireOf(client, clientId)
  try {
    await wire.metadata([], signal)
    return true
  } catch {
    return false
  }
}
