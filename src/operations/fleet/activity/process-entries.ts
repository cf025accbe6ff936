import { createHash } from 'node:crypto'
import type { Activity } from './contract.ts'

/** What supervision tells of a process, in the form both the agent's events and the machine's supervisor give it. */
export interface ProcessEvent {
  readonly at: number
  /** The process. */
  readonly name: string
  readonly kind: string
  readonly pid?: number
  /** ISO time of the start of the life that is over. */
  readonly since?: string
  readonly code?: number | null
  readonly signal?: string | null
  readonly expected?: boolean
  readonly rebooted?: boolean
  readonly reason?: string | undefined
  readonly afterMs?: number
  readonly lastLines?: readonly string[]
  readonly adopted?: boolean
}

export interface Teller {
  /** The role that supervises. */
  readonly actor: string
  readonly host: string
}

const ACTION = 'process.restart'

/** What a supervisor had begun to tell when an earlier one of its lives ended. */
export function unfinishedBy({ actor }: Teller, entries: readonly Activity[]): readonly Activity[] {
  return entries.filter(
    entry => entry.actor === actor && entry.action === ACTION && entry.outcome === 'running',
  )
}

/**
 * Makes one entry of each end that nobody asked for: what ended the process, when it ran again, when it was ready. The
 * entry's id follows from the life that ended, so whoever tells of the same end, and however often, tells the same entry.
 *
 * @param unfinished see `unfinishedBy`
 */
export function createProcessEntries(
  teller: Teller,
  unfinished: readonly Activity[] = [],
): (event: ProcessEvent) => readonly Activity[] {
  const open = new Map(unfinished.map(entry => [processOf(entry), entry]))

  function goOn(entry: Activity): readonly Activity[] {
    if (entry.outcome === 'running') open.set(processOf(entry), entry)
    else open.delete(processOf(entry))
    return [entry]
  }

  function begin(entry: Activity, known: Activity | undefined): readonly Activity[] {
    if (known?.id === entry.id) return []
    const before = known === undefined ? [] : goOn(overtaken(known, entry.at))
    return [...before, ...goOn(entry)]
  }

  return event => {
    const known = open.get(event.name)
    switch (event.kind) {
      case 'exited':
        if (event.expected !== true) return begin(ended(teller, event), known)
        return known === undefined ? [] : goOn(stopped(known, event.at))
      case 'found-ended':
        return begin(foundEnded(teller, event), known)
      case 'started':
        return known === undefined || event.adopted === true ? [] : goOn(startedAgain(known, event))
      case 'ready':
        return known === undefined ? [] : goOn(ready(known, event.at))
      case 'gave-up':
        return goOn(givenUp(known ?? neverStarted(teller, event), event))
      default:
        return []
    }
  }
}

function ended(teller: Teller, event: ProcessEvent): Activity {
  const killed = event.signal !== null && event.signal !== undefined
  const how = killed ? `ended by ${event.signal}` : endOf(event.code)
  // Killed, a process has no reason of its own: what stands last in its log is about something else.
  const why = killed || event.reason === undefined ? '' : ` (${event.reason})`
  return endEntry(teller, event, `${event.name} ${how}${why}`, `pid ${event.pid}, ${how}`)
}

/** Its supervisor had ended before it could tell: all there is is the pid file, and what the process left behind. */
function foundEnded(teller: Teller, event: ProcessEvent): Activity {
  const how = event.rebooted === true ? 'ended with the machine, which was started anew' : 'ended unseen'
  const why = event.rebooted === true || event.reason === undefined ? '' : ` (${event.reason})`
  const process = `pid ${event.pid}, started ${event.since}; found ended at its next start`
  return endEntry(teller, event, `${event.name} ${how}${why}`, process)
}

function endEntry(teller: Teller, event: ProcessEvent, summary: string, process: string): Activity {
  const { lastLines = [] } = event
  return {
    ...begun(teller, event, [event.pid, event.since]),
    summary,
    evidence: [
      { label: 'host', value: teller.host },
      { label: 'process', value: process },
      ...(lastLines.length === 0 ? [] : [{ label: 'last lines', value: lastLines.slice(-5).join('\n') }]),
    ],
  }
}

/** Given up without one end: it could not even be started. */
function neverStarted(teller: Teller, event: ProcessEvent): Activity {
  return {
    ...begun(teller, event, ['given up', event.at]),
    summary: `${event.name} cannot be started`,
    evidence: [{ label: 'host', value: teller.host }],
  }
}

function begun({ actor, host }: Teller, { at, name }: ProcessEvent, life: readonly unknown[]) {
  const broker = /^kafka-(.+)-(\d+)$/.exec(name)
  return {
    id: createHash('sha256')
      .update(JSON.stringify([host, actor, name, ...life]))
      .digest('hex')
      .slice(0, 32),
    revision: 0,
    at,
    actor,
    action: ACTION,
    subject:
      broker === null
        ? ({ kind: 'process', name, cluster: null } as const)
        : ({ kind: 'broker', name: broker[2]!, cluster: broker[1]! } as const),
    reason: null,
    outcome: 'running',
    endedAt: null,
  } as const
}

function startedAgain(known: Activity, { at, pid }: ProcessEvent): Activity {
  return further(known, 'started again', `pid ${pid}, ${seconds(at - known.at)} after it ended`)
}

function ready(known: Activity, at: number): Activity {
  const took = seconds(at - known.at)
  return {
    ...further(known, 'ready', `${took} after it ended`),
    summary: `${known.summary}; ready again after ${took}`,
    outcome: 'done',
    endedAt: at,
  }
}

function givenUp(known: Activity, { at, reason = '' }: ProcessEvent): Activity {
  return {
    ...further(known, 'given up', reason),
    summary: `${known.summary}; given up: ${reason}`,
    outcome: 'failed',
    endedAt: at,
  }
}

/** The next life ended too, which is an entry of its own. */
function overtaken(known: Activity, at: number): Activity {
  return {
    ...further(known, 'ended again', 'before it was ready'),
    summary: `${known.summary}; ended again before it was ready`,
    outcome: 'failed',
    endedAt: at,
  }
}

function stopped(known: Activity, at: number): Activity {
  return {
    ...further(known, 'stopped', 'as asked, before it was ready'),
    summary: `${known.summary}; stopped before it was ready again`,
    outcome: 'failed',
    endedAt: at,
  }
}

const further = (entry: Activity, label: string, value: string): Activity => ({
  ...entry,
  revision: entry.revision + 1,
  evidence: [...entry.evidence, { label, value }],
})

/** The exit code is not known when the process was another one's child. */
const endOf = (code: number | null | undefined): string =>
  code === null || code === undefined ? 'ended' : `ended with exit code ${code}`

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

const processOf = ({ subject }: Activity): string =>
  subject.kind === 'broker' ? `kafka-${subject.cluster}-${subject.name}` : subject.name
