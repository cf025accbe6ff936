import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AjnaError, type ErrorKind } from '../errors/errors.ts'
import {
  SqlBusy,
  SqlCrashed,
  SqlFailed,
  SqlForbidden,
  SqlInvalid,
  SqlTimeout,
  SqlTooLarge,
  TablesFailed,
} from './errors.ts'
import type { SyntaxNode } from './guard.ts'
import type { SelectLimits, SelectPart } from './select.ts'
import type { TablesOptions } from './tables.ts'

/**
 * Other people's SQL, in processes of its own. DuckDB's memory limit does not cover what a single function call makes
 * (`range(100000000)` as a list took 9.5 GB under a limit of 128 MB), and such a call cannot be interrupted: only the end of
 * a process bounds it. A process that outgrows `residentBytes` or overstays ends itself; the next query gets a new one.
 */
export interface ConfinedOptions extends Omit<TablesOptions, 'file'> {
  /** What one process may occupy, everything included; an idle one has about 100 MB. */
  readonly residentBytes: number
  /** Queries running at once, a process each; default 2. */
  readonly processes?: number
  /** Queries waiting for a process before SQL_BUSY; default 16. */
  readonly waiting?: number
  /** A process without work ends after this long; default 60,000. */
  readonly idleMs?: number
}

export interface ConfinedQuery {
  readonly sql: string
  /** Tables the SQL may name, and the SELECT (trusted) that each stands for. */
  readonly views: Readonly<Record<string, string>>
  readonly limits: SelectLimits
}

export interface ConfinedQueries {
  /**
   * Takes a process for the time of `act`. Throws what `act` throws, and AjnaError SQL_BUSY.
   */
  withProcess<T>(act: (process: QueryProcess) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Ends all processes; what they were doing fails with SQL_CRASHED. */
  close(): void
}

export interface QueryProcess {
  /** checkSelect in the process. */
  check(sql: string, tables: readonly string[]): Promise<SyntaxNode>
  /** select in the process: parts come as they are asked for. Errors as there, and SQL_CRASHED. */
  select(query: ConfinedQuery, signal?: AbortSignal): AsyncGenerator<SelectPart, void, undefined>
}

export type ProcessRequest =
  | { readonly kind: 'check'; readonly sql: string; readonly tables: readonly string[] }
  | { readonly kind: 'select'; readonly query: ConfinedQuery }
  | { readonly kind: 'next' }
  | { readonly kind: 'cancel' }

export type ProcessAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'checked'; readonly statement: SyntaxNode }
  | { readonly kind: 'part'; readonly part: SelectPart }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: ErrorText }
  /** The process ends itself, for this reason. */
  | { readonly kind: 'ending'; readonly error: ErrorText }

export interface ErrorText {
  readonly code: string
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

const kinds: readonly ErrorKind[] = [
  SqlFailed,
  SqlForbidden,
  SqlInvalid,
  SqlTimeout,
  SqlTooLarge,
  TablesFailed,
]
const script = fileURLToPath(new URL(`./confined-process${extname(import.meta.url)}`, import.meta.url))

export function confinedQueries(options: ConfinedOptions): ConfinedQueries {
  const { processes = 2, waiting: maxWaiting = 16, idleMs = 60_000, ...settings } = options
  const idle: Worker[] = []
  const all = new Set<Worker>()
  const waiting: (() => void)[] = []
  let running = 0

  async function take(signal: AbortSignal | undefined): Promise<void> {
    if (running >= processes) {
      if (waiting.length >= maxWaiting)
        throw new AjnaError(SqlBusy, `${running} queries run and ${waiting.length} wait`)
      const turn = Promise.withResolvers<void>()
      const leave = (): void => {
        waiting.splice(waiting.indexOf(turn.resolve), 1)
        turn.reject(signal?.reason)
      }
      waiting.push(turn.resolve)
      signal?.addEventListener('abort', leave, { once: true })
      await turn.promise.finally(() => signal?.removeEventListener('abort', leave))
      return // the place was handed over: `running` counts it already
    }
    running++
  }

  function release(worker: Worker): void {
    if (worker.alive) {
      idle.push(worker)
      worker.retireAfter(idleMs)
    }
    const next = waiting.shift()
    if (next === undefined) running--
    else next()
  }

  function worker(): Worker {
    for (let found = idle.pop(); found !== undefined; found = idle.pop()) {
      found.keep()
      if (found.alive) return found
    }
    const made = startWorker(settings)
    all.add(made)
    made.child.once('exit', () => {
      all.delete(made)
      if (idle.includes(made)) idle.splice(idle.indexOf(made), 1)
    })
    return made
  }

  return {
    async withProcess(act, signal) {
      signal?.throwIfAborted()
      await take(signal)
      const taken = worker()
      try {
        return await act(taken)
      } finally {
        release(taken)
      }
    },
    close() {
      for (const each of all) each.child.kill('SIGKILL')
    },
  }
}

interface Worker extends QueryProcess {
  readonly child: ChildProcess
  readonly alive: boolean
  retireAfter(ms: number): void
  keep(): void
}

function startWorker(settings: Omit<ConfinedOptions, 'processes' | 'waiting' | 'idleMs'>): Worker {
  const child = fork(script, [JSON.stringify(settings)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const answers: ProcessAnswer[] = []
  let wake = (): void => {}
  let ended: AjnaError | undefined
  let retirement: NodeJS.Timeout | undefined
  const onEnd = (error: AjnaError): void => {
    ended ??= error
    wake()
  }
  child.on('message', (answer: ProcessAnswer) => {
    if (answer.kind === 'ending') onEnd(revived(answer.error))
    else answers.push(answer)
    wake()
  })
  child.once('exit', (code, signal) =>
    onEnd(new AjnaError(SqlCrashed, `the query process ended with ${signal ?? `code ${code}`}`)),
  )
  child.once('error', cause =>
    onEnd(new AjnaError(SqlCrashed, 'the query process could not be started', { cause })),
  )

  async function answer(): Promise<ProcessAnswer> {
    for (;;) {
      const next = answers.shift()
      if (next?.kind === 'ready') continue
      if (next?.kind === 'failed') throw revived(next.error)
      if (next !== undefined) return next
      if (ended !== undefined) throw ended
      const woken = Promise.withResolvers<void>()
      wake = woken.resolve
      await woken.promise
    }
  }
  // A process that has ended is found out by `answer`, with its reason.
  const send = (request: ProcessRequest): void => {
    if (child.connected) child.send(request, () => {})
  }

  return {
    child,
    get alive() {
      return ended === undefined
    },
    retireAfter(ms) {
      retirement = setTimeout(() => child.kill('SIGKILL'), ms)
      retirement.unref()
      child.unref()
      child.channel?.unref()
    },
    keep() {
      clearTimeout(retirement)
      child.ref()
      child.channel?.ref()
    },
    async check(sql, tables) {
      send({ kind: 'check', sql, tables })
      const checked = await answer()
      if (checked.kind !== 'checked')
        throw new AjnaError(SqlCrashed, `the query process answered ${checked.kind}`)
      return checked.statement
    },
    async *select(query, signal) {
      signal?.throwIfAborted()
      const cancel = (): void => send({ kind: 'cancel' })
      signal?.addEventListener('abort', cancel, { once: true })
      let finished = false
      try {
        send({ kind: 'select', query })
        for (;;) {
          const got = await answer()
          if (got.kind === 'done') {
            finished = true
            signal?.throwIfAborted()
            return
          }
          if (got.kind === 'part') yield got.part
          send({ kind: 'next' })
        }
      } catch (error) {
        finished = true
        throw signal?.aborted ? signal.reason : error
      } finally {
        signal?.removeEventListener('abort', cancel)
        if (!finished) await drained(cancel, answer)
      }
    },
  }
}

/** The reader left early: the process must have stopped before another query may have it. */
async function drained(cancel: () => void, answer: () => Promise<ProcessAnswer>): Promise<void> {
  cancel()
  try {
    while ((await answer()).kind !== 'done');
  } catch {
    // It failed or ended: either way it has stopped.
  }
}

function revived(error: ErrorText): AjnaError {
  const kind = kinds.find(each => each.code === error.code) ?? SqlCrashed
  return new AjnaError(kind, error.message, { details: error.details })
}
