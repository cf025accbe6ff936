/** The healer's own sign of life from each broker: asked what any client asks first, on a connection that is kept. */
import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../foundation/errors/errors.ts'
import { type Connection, connect } from '../../foundation/wire/connection.ts'
import type { TlsSource } from '../../foundation/wire/contract.ts'
import type { Probe } from './contract.ts'

export interface ProbeTarget {
  readonly broker: number
  readonly host: string
  readonly port: number
}

export interface Probes {
  of(broker: number): Probe
  /** Asks all now, not only when their turn comes: somebody has news of one. */
  askNow(): void
}

export interface ProbesOptions {
  readonly targets: readonly ProbeTarget[]
  readonly tls: TlsSource | undefined
  readonly now: () => number
  /** Told when a broker stops or begins to answer. */
  readonly changed: () => void
  readonly signal: AbortSignal
}

const EVERY_MS = 250
/** A healthy broker answers in a few milliseconds; that it is only slow is found out by its agent. */
const PATIENCE_MS = 300

export function startProbes({ targets, tls, now, changed, signal }: ProbesOptions): Probes {
  const probes = new Map<number, Probe>()
  let news = new AbortController()
  for (const target of targets) void watch(target)
  return {
    of: broker => probes.get(broker) ?? { kind: 'unknown' },
    askNow() {
      news.abort()
      news = new AbortController()
    },
  }

  async function watch({ broker, host, port }: ProbeTarget): Promise<void> {
    let connection: Connection | undefined
    const ask = async (): Promise<Probe> => {
      const began = now()
      const timeouts = { connectTimeoutMs: PATIENCE_MS, requestTimeoutMs: PATIENCE_MS }
      try {
        if (connection === undefined || connection.closed)
          connection = await connect({ host, port, tls, clientId: 'ajna-healer', ...timeouts }, signal)
        else await connection.handshake(signal)
        return { kind: 'answers' }
      } catch (error) {
        connection?.close()
        if (/ECONNREFUSED/.test(describeError(error))) return { kind: 'refused' }
        const before = probes.get(broker)
        return before?.kind === 'silent'
          ? { ...before, times: before.times + 1 }
          : { kind: 'silent', since: began, times: 1 }
      }
    }
    while (!signal.aborted) {
      const before = probes.get(broker)
      const probe = await ask()
      probes.set(broker, probe)
      if (before?.kind !== probe.kind || probe.kind === 'silent') changed()
      // One that is silent has taken its time already.
      if (probe.kind === 'silent') continue
      const until = AbortSignal.any([signal, news.signal])
      await delay(EVERY_MS, undefined, { signal: until }).catch(() => undefined)
    }
    connection?.close()
  }
}
