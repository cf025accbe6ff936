import { join } from 'node:path'
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import { lockFile } from '../../foundation/process/lock.ts'
import type { SupervisionEvent } from '../../foundation/process/supervise.ts'
import type { AgentConfig, AgentEvent, AgentStatus } from './contract.ts'
import { AGENT_ALREADY_RUNS } from './errors.ts'
import type { Measured } from './metrics/host.ts'
import { createSampleStream, type SampleStream } from './metrics/samples.ts'
import { createProcesses, type ExplainEnd, type Processes } from './processes/processes.ts'
import { SCRUB } from './scrub/watch.ts'
import { createShipper, type Shipper, type ShipperStatus } from './ship/shipper.ts'

export interface AgentOptions {
  readonly signal: AbortSignal
  readonly log: Logger
  /**
   * Where events for the activity log go; they are in the agent's log and status in any case. The end of a process counts
   * as told once what this answers has resolved; else it is told again before the process is next started.
   */
  readonly onEvent?: (event: AgentEvent) => void | Promise<void>
  /** Further processes of the platform on this host whose CPU time and memory are measured. */
  readonly alsoMeasured?: () => readonly { readonly name: string; readonly pid: number }[]
  /** Why a process of the plan ended, in its own words, where that is known. */
  readonly explain?: ExplainEnd
  /** Makes an empty log dir of a process ready for its next start. @throws what forbids it */
  readonly prepareLogDir?: (name: string, path: string) => Promise<void>
  /** Told the address of the status server once it listens. */
  readonly onListening?: (address: string) => void
}

const MAX_EVENTS = 200

/**
 * Runs a host's agent until aborted: its processes, its metrics, its files. The processes run on when it ends.
 *
 * @throws AjnaError AGENT_ALREADY_RUNS, AGENT_STATE_FOREIGN, PRODUCER_FENCED (another agent has taken over)
 */
export async function runAgent(config: AgentConfig, options: AgentOptions): Promise<void> {
  const { log } = options
  const lock = await lockFile(join(config.directory, 'lock'), { wait: false })
  if (lock === undefined) {
    throw new AjnaError(AGENT_ALREADY_RUNS, `another agent works in ${config.directory}`)
  }
  await using _ = lock
  const startedAt = Date.now()
  const events: AgentEvent[] = []

  function tell(
    kind: string,
    subject: string,
    text: string,
    details: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const event: AgentEvent = {
      at: Date.now(),
      host: config.host,
      kind,
      subject,
      text,
      details: { ...details },
    }
    events.push(event)
    if (events.length > MAX_EVENTS) events.shift()
    log.info({ kind, subject, ...details }, text)
    const taken = Promise.resolve(options.onEvent?.(event))
    // Whom it concerns waits for it; for the others the log line above is all.
    taken.catch(() => undefined)
    return taken
  }

  const shipper = await createShipper({
    config,
    log,
    now: Date.now,
    onEvent: (kind, text, details) => void tell(kind, String(details['path'] ?? ''), text, details),
  })
  const processes = processesOf(config, tell, options.explain)
  const samples = samplesOf(config, shipper)
  const status = (): AgentStatus => statusOf(config, startedAt, shipper.status(), processes, events)

  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const parts: Promise<void>[] = [shipper.run(signal)]
  if (processes !== undefined) parts.push(processes.run(signal))
  if (samples !== undefined) parts.push(measure(config, samples, shipper, processes, options, signal))
  if (config.status !== undefined) parts.push(serve(config, status, processes, tell, options, signal))
  for (const part of parts) part.catch(() => stop.abort())
  const ended = await Promise.allSettled(parts)
  for (const part of ended) if (part.status === 'rejected') throw part.reason
}

type Tell = (
  kind: string,
  subject: string,
  text: string,
  details: Readonly<Record<string, unknown>>,
) => Promise<void>

function processesOf(
  config: AgentConfig,
  tell: Tell,
  explain: ExplainEnd | undefined,
): Processes | undefined {
  if (config.plan === undefined) return undefined
  const path = config.plan
  return createProcesses({
    path,
    host: config.host,
    runDirectory: config.runDirectory,
    onProcessEvent: event => tell('process', event.name, textOf(event), { ...event }),
    onPlan: (kind, text) => void tell('plan', path, text, { outcome: kind }),
    ...(explain === undefined ? {} : { explain }),
    scrub: { ...SCRUB, ...config.scrub },
  })
}

function textOf(event: SupervisionEvent): string {
  switch (event.kind) {
    case 'started':
      return `${event.name} ${event.adopted ? 'is found running' : 'started'} (pid ${event.pid})`
    case 'exited': {
      const how = event.signal === null ? `code ${event.code ?? 'unknown'}` : event.signal
      return `${event.name} ended (${how})${event.expected ? ', as asked' : ''}`
    }
    case 'found-ended':
      return `${event.name} (pid ${event.pid}) had ended, and nobody has told how`
    case 'restarting':
      return `${event.name} is started again in ${event.afterMs} ms: ${event.reason}`
    case 'gave-up':
      return `${event.name} is not started any more: ${event.reason}`
    case 'start-failed':
    case 'trouble':
      return `${event.name}: ${event.error}`
    case 'ready':
      return `${event.name} is ready after ${event.afterMs} ms`
    case 'not-ready':
      return `${event.name} is not ready after ${event.afterMs} ms`
    case 'replaced':
      return `${event.name} ran from another command line and is replaced`
    case 'unhealthy':
      return `${event.name} no longer answers`
    case 'healthy':
      return `${event.name} answers again`
    default:
      return event satisfies never
  }
}

function samplesOf(config: AgentConfig, shipper: Shipper): SampleStream | undefined {
  if (config.metrics === undefined) return undefined
  return createSampleStream({
    config,
    partitions: topic => shipper.partitions(topic),
    offer: batch => shipper.offer(batch),
    now: Date.now,
  })
}

async function measure(
  config: AgentConfig,
  samples: SampleStream,
  shipper: Shipper,
  processes: Processes | undefined,
  { log, alsoMeasured }: AgentOptions,
  signal: AbortSignal,
): Promise<void> {
  // Loaded when it is asked for: a third of what an agent loads serves only this, or only the status.
  const { collect } = await import('./metrics/collect.ts')
  await collect(
    {
      everyMs: config.metrics!.everyMs,
      labels: { host: config.host, site: config.site },
      targets: () => (processes?.plan?.processes ?? []).flatMap(({ metrics }) => metrics ?? []),
      processes: () => [
        { name: 'agent', pid: process.pid },
        ...(processes?.status() ?? []).flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }])),
        ...(alsoMeasured?.() ?? []),
      ],
      own: () => ownFigures(shipper.status(), samples.skipped),
      now: Date.now,
      emit: batch => samples.emit(batch),
      onTrouble: (source, problem) =>
        problem === undefined
          ? log.info({ source }, 'measured again')
          : log.warn({ source, problem }, 'cannot be measured'),
    },
    signal,
  )
}

function ownFigures(status: ShipperStatus, skipped: number): Measured[] {
  const { sender, spool, quarantine, lost } = status
  const figure = (name: string, value: number, unit: string): Measured => ({ name, labels: {}, value, unit })
  return [
    figure('agent_records_total', sender.acknowledgedRecords, 'records'),
    figure('agent_bytes_total', sender.acknowledgedBytes, 'bytes'),
    figure('agent_lag_bytes', status.pendingBytes, 'bytes'),
    figure('agent_at_risk_bytes', status.heldOnlyByDescriptor.bytes, 'bytes'),
    figure('agent_files', status.files.length, ''),
    figure('agent_spool_bytes', spool.bytes, 'bytes'),
    figure('agent_lost_bytes_total', lost.bytes, 'bytes'),
    figure('agent_quarantined_records_total', quarantine.records, 'records'),
    figure('agent_samples_skipped_total', skipped, 'records'),
    figure('agent_sessions_total', sender.sessions, ''),
  ]
}

async function serve(
  config: AgentConfig,
  status: () => AgentStatus,
  processes: Processes | undefined,
  tell: Tell,
  { log, onListening, prepareLogDir }: AgentOptions,
  signal: AbortSignal,
): Promise<void> {
  const { port, token } = config.status!
  const [{ createStatusServer }, { openTokens }] = await Promise.all([
    import('./status.ts'),
    import('./tokens.ts'),
  ])
  const server = createStatusServer({
    secret: token,
    log,
    status,
    tokens: await openTokens(join(config.directory, 'fencing.json')),
    processes,
    prepareLogDir:
      prepareLogDir &&
      (async (name, path, reason) => {
        void tell('order', name, `make ${path} ready for ${name}: ${reason}`, { path, reason })
        await prepareLogDir(name, path)
      }),
    act: async (name, act, reason, pid) => {
      void tell('order', name, `${act} ${name}: ${reason}`, { act, reason })
      await processes?.act(name, act, pid)
    },
  })
  try {
    const address = await server.listen(port)
    log.info({ address }, 'status is served')
    onListening?.(address)
    await new Promise<void>(resolve => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } finally {
    await server.close()
  }
}

function statusOf(
  { host, site }: AgentConfig,
  startedAt: number,
  shipping: ShipperStatus,
  processes: Processes | undefined,
  events: readonly AgentEvent[],
): AgentStatus {
  const { sender, spool, quarantine, lost } = shipping
  const { sessions: _, problem, ...sending } = sender
  return {
    ...{ host, site, startedAt, at: Date.now() },
    shipping: {
      ...sending,
      problem: problem ?? null,
      lagBytes: shipping.pendingBytes,
      atRisk: shipping.heldOnlyByDescriptor,
      lostBytes: lost.bytes,
      gaps: [...lost.gaps],
      quarantined: quarantine.records,
      repeatedBytes: shipping.repeatedBytes,
    },
    spool: {
      bytes: spool.bytes,
      maxBytes: spool.maxBytes,
      batches: spool.waiting,
      refusal: spool.refusal ?? null,
    },
    files: [...shipping.files],
    unreadable: [...shipping.troubles],
    processes: processes?.status() ?? [],
    plan: processes?.plan?.version ?? null,
    events: [...events],
  }
}
