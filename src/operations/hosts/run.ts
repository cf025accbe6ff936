import type { Logger } from '../../foundation/log/log.ts'
import type { AgentConfig } from './contract.ts'
import { createShipper } from './ship/shipper.ts'

export interface AgentOptions {
  readonly signal: AbortSignal
  readonly log: Logger
}

/** Runs a host's agent until aborted. */
export async function runAgent(config: AgentConfig, { signal, log }: AgentOptions): Promise<void> {
  const shipper = await createShipper({
    config,
    log,
    now: Date.now,
    onEvent: (kind, text, details) => log.warn({ kind, ...details }, text),
  })
  await shipper.run(signal)
}
