import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeWhole } from '../../foundation/files/whole.ts'
import { type Logger, silentLogger } from '../../foundation/log/log.ts'
import type { ProcessSpec } from '../../foundation/process/run.ts'
import { hostPlan, type ProcessStatus } from './contract.ts'
import { createProcesses } from './processes/processes.ts'
import { createStatusServer } from './status.ts'
import { openTokens } from './tokens.ts'

export interface KeptProcess {
  readonly spec: ProcessSpec
  /** It is ready once something listens there. */
  readonly port: number
  /** Of a broker: where its partitions' logs are. */
  readonly logDirs?: readonly string[]
}

export interface KeeperOptions {
  readonly host: string
  /** Of its own: the plan, and the highest fencing token it has seen. */
  readonly folder: string
  /** All with the same directory of pid files. */
  readonly processes: readonly KeptProcess[]
  /** Makes an empty log dir of a process ready for its next start; absent: nobody here can. @throws what forbids it */
  readonly prepareLogDir?: (process: string, path: string) => Promise<void>
  readonly log?: Logger
}

/** The door is on loopback. */
export interface Keeper extends AsyncDisposable {
  readonly port: number
  readonly token: string
  status(): readonly ProcessStatus[]
  /** Starts a process at once that was given up, or waits to be restarted. */
  retry(process: string): Promise<void>
  /** Ends a process, if it still runs, and leaves it ended until it is told to {@link retry}. */
  stop(process: string): Promise<void>
  /** Ends a process in order, as is expected then, and starts it again. @throws AjnaError PROCESS_STUCK */
  restart(process: string): Promise<void>
}

/**
 * The part of a host's agent that keeps processes alive and has a door for orders, by itself: no files, no metrics. It adopts
 * what runs already; what it keeps outlives it.
 */
export async function startKeeper(options: KeeperOptions): Promise<Keeper> {
  const { host, folder, processes, prepareLogDir, log = silentLogger } = options
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'plan.json')
  const planned = processes.map(
    ({ spec: { name, command, args, env, cwd, consoleFile }, port, logDirs = [] }) => ({
      name,
      argv: [command, ...args],
      ...(env === undefined ? {} : { env }),
      cwd: cwd ?? folder,
      log: consoleFile,
      readiness: { kind: 'port' as const, port },
      logDirs: [...logDirs],
    }),
  )
  await writeWhole(path, JSON.stringify(hostPlan.parse({ host, version: 1, processes: planned })))
  const stopping = new AbortController()
  const kept = createProcesses({
    path,
    host,
    runDirectory: processes[0]?.spec.runDir ?? folder,
    onProcessEvent: event => log.info(event, 'process'),
    onPlan: (kind, text) => log.info({ kind, text }, 'plan'),
  })
  const running = kept.run(stopping.signal)
  const token = randomUUID()
  const server = createStatusServer({
    secret: token,
    log,
    status: undefined,
    act: (name, act, _reason, pid) => kept.act(name, act, pid),
    ...(prepareLogDir === undefined ? {} : { prepareLogDir }),
    processes: kept,
    tokens: await openTokens(join(folder, 'tokens.json')),
  })
  const address = await server.listen(0)
  return {
    port: Number(new URL(address).port),
    token,
    status: () => kept.status(),
    retry: process => kept.act(process, 'start'),
    stop: process => kept.act(process, 'stop'),
    restart: process => kept.act(process, 'restart'),
    async [Symbol.asyncDispose]() {
      stopping.abort()
      // Like an agent that has died: who waits for its news learns that nobody is there.
      server.app.server.closeAllConnections()
      await Promise.all([server.close(), running])
    },
  }
}
