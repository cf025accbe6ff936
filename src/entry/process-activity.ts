import { createHash } from 'node:crypto'
import type { Activity } from './api/models.ts'

/** What supervision tells of a process, in the form both the agent's events and the machine's supervisor give it. */
export interface ProcessEvent {
  readonly at: number
  /** The process. */
  readonly name: string
  readonly kind: string
  readonly pid?: number
  readonly code?: number | null
  readonly signal?: string | null
  readonly expected?: boolean
  readonly reason?: string | undefined
  readonly afterMs?: number
  readonly lastLines?: readonly string[]
  readonly adopted?: boolean
}

/**
 * Makes one activity entry of each unexpected end of a process: what ended it, when it ran again, when it was ready. Pure
 * over the events it is given; the same events give the same entries, so they may be told twice.
 *
 * @param unfinished this actor's entries that were still running when an earlier one of its lives ended
 */
export function createProcessActivity(
  actor: string,
  unfinished: readonly Activity[] = [],
): (event: ProcessEvent) => Activity | undefined {
  const open = new Map(unfinished.map(entry => [processOf(entry), entry]))

  return event => {
    const known = open.get(event.name)
    switch (event.kind) {
      case 'exited': {
        if (event.expected === true) return undefined
        const entry = ended(actor, event)
        open.set(event.name, entry)
        return entry
      }
      case 'started': {
        if (known === undefined || event.adopted === true) return undefined
        const entry = withEvidence(
          known,
          'started again',
          `pid ${event.pid}, ${seconds(event.at - known.at)} after it ended`,
        )
        open.set(event.name, entry)
        return entry
      }
      case 'ready': {
        if (known === undefined) return undefined
        open.delete(event.name)
        const took = seconds(event.at - known.at)
        return {
          ...withEvidence(known, 'ready', `${took} after it ended`),
          summary: `${known.summary}; ready again after ${took}`,
          outcome: 'done',
          endedAt: event.at,
        }
      }
      case 'gave-up': {
        if (known === undefined) return undefined
        open.delete(event.name)
        return {
          ...withEvidence(known, 'given up', event.reason ?? ''),
          summary: `${known.summary}; given up: ${event.reason ?? ''}`,
          outcome: 'failed',
          endedAt: event.at,
        }
      }
      default:
        return undefined
    }
  }
}

function ended(actor: string, event: ProcessEvent): Activity {
  const killed = event.signal !== null && event.signal !== undefined
  const how = killed ? `ended by ${event.signal}` : endOf(event.code)
  // Killed, a process has no reason of its own: what stands last in its log is about something else.
  const why = killed || event.reason === undefined ? '' : ` (${event.reason})`
  const broker = /^kafka-(.+)-(\d+)$/.exec(event.name)
  return {
    id: idOf(actor, event),
    at: event.at,
    actor,
    action: 'process.restart',
    subject:
      broker === null
        ? { kind: 'process', name: event.name, cluster: null }
        : { kind: 'broker', name: broker[2]!, cluster: broker[1]! },
    summary: `${event.name} ${how}${why}`,
    reason: null,
    outcome: 'running',
    evidence: [
      { label: 'process', value: `pid ${event.pid}, ${how}` },
      ...(event.lastLines === undefined || event.lastLines.length === 0
        ? []
        : [{ label: 'last lines', value: event.lastLines.slice(-5).join('\n') }]),
    ],
    endedAt: null,
  }
}

/** The exit code is not known when the process was another one's child. */
const endOf = (code: number | null | undefined): string =>
  code === null || code === undefined ? 'ended' : `ended with exit code ${code}`

const idOf = (actor: string, { at, name, pid }: ProcessEvent): string =>
  createHash('sha256')
    .update(JSON.stringify([actor, at, name, pid]))
    .digest('hex')
    .slice(0, 20)

const withEvidence = (entry: Activity, label: string, value: string): Activity => ({
  ...entry,
  evidence: [...entry.evidence, { label, value }],
})

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

const processOf = ({ subject }: Activity): string =>
  subject.kind === 'broker' ? `kafka-${subject.cluster}-${subject.name}` : subject.name
