import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Domain } from '../fleet/interlock/contract.ts'
import type { DirStatus } from '../hosts/contract.ts'
import type { ConditionFacts } from './conditions/facts.ts'
import { standingCauses } from './conditions/standing.ts'
import { clusterWide, wideKey, wideText } from './conditions/subjects.ts'
import type { DamageFacts } from './damage.ts'
import { answerOf, proposal } from './proposal.ts'
import {
  type LeaderlessFacts,
  namedPartitions,
  partitionsKey,
  partitionsText,
  type Recovery,
  recovery,
} from './recovery.ts'

/**
 * What the healer sees, finds, decides and records. Facts come from three sides that do not know of each other: the
 * cluster's controller, the host's agent, and the healer's own probe.
 */

/* ---- facts: one cluster at one moment ---- */

export interface HealFacts {
  /** ms since the epoch. */
  readonly at: number
  readonly cluster: string
  readonly brokers: readonly BrokerFacts[]
  /** Null: the cluster did not say. */
  readonly partitions: readonly PartitionFacts[] | null
  /** Absent: not looked for. */
  readonly leaderless?: readonly LeaderlessFacts[]
  /** What stands for how long. Absent: not looked for. */
  readonly conditions?: ConditionFacts
  /** Replicas that their hosts' agents find damaged. Absent: not looked for. */
  readonly damaged?: readonly DamageFacts[]
}

export interface BrokerFacts {
  readonly id: number
  /** Null when the cluster has no racks. */
  readonly rack: string | null
  /** What the controller counts it as; `unknown`: nobody could be asked. */
  readonly registration: 'up' | 'fenced' | 'absent' | 'unknown'
  readonly testimony: Testimony
  readonly probe: Probe
  /** Absent: nobody was asked about them. */
  readonly dirs?: readonly LogDirFacts[]
  /** Since when the sides have contradicted each other about its process, ms since the epoch; absent: they do not. */
  readonly atOddsSince?: number
}

/** One of a broker's log dirs, as its host's agent finds the disk, and as the broker has it. */
export interface LogDirFacts {
  readonly path: string
  /** `unknown`: the agent does not look at it, or does not answer. */
  readonly disk: DirStatus['state'] | 'unknown'
  /** What the agent says of it, and since when the disk is in that state, ms since the epoch. */
  readonly says: string
  readonly since: number
  /** `offline`: the broker has given it up, until it is started anew. `unknown`: it does not say. */
  readonly broker: 'online' | 'offline' | 'unknown'
  /** Since when it says so, as far as it was asked, ms since the epoch. */
  readonly brokerSince: number
}

/** What the agent of the broker's host says of its process. */
export type Testimony =
  /** No agent answers for this broker: nothing can be done to its process. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'running'
      readonly pid: number
      /** Since when this process runs, ms since the epoch. */
      readonly since: number
      /** Whether any of its threads ran lately; null: not measured. */
      readonly ran: boolean | null
      /** The end of the process before it, if the agent saw it. */
      readonly lastEnd: ProcessEnd | null
    }
  /** `givenUp`: nobody starts it again by itself. */
  | { readonly kind: 'dead'; readonly lastEnd: ProcessEnd | null; readonly givenUp: boolean }
  /** Several agents testify, and not the same: so nobody does. What each says. */
  | { readonly kind: 'disputed'; readonly says: readonly string[] }

export interface ProcessEnd {
  /** ms since the epoch. */
  readonly at: number
  readonly pid: number
  /** How it ended, for people: `SIGKILL`, `code 1`. */
  readonly how: string
  /** Somebody had asked for it. */
  readonly expected: boolean
}

/** Asking the broker itself, over its client listener, for the versions it speaks (the first thing any client asks). */
export type Probe =
  | { readonly kind: 'answers' }
  /** Nobody listens. */
  | { readonly kind: 'refused' }
  /** Connections are taken and not answered. `since`: of the first such in a row, ms since the epoch. */
  | { readonly kind: 'silent'; readonly since: number; readonly times: number }
  | { readonly kind: 'unknown' }

export interface PartitionFacts {
  readonly topic: string
  readonly partition: number
  /** Null: none. */
  readonly leader: number | null
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly leaderEpoch?: number
  /** Replicas on brokers, or log dirs, that are offline. Absent: nobody was asked. */
  readonly offline?: readonly number[]
  /** So many in-sync replicas acknowledge a write (min.insync.replicas); null: not known. Absent: not asked for, and as Kafka has it, 1. */
  readonly needs?: number | null
}

/* ---- what follows from them ---- */

export const MAX_LINE = 1_000
const line = z.string().min(1).max(MAX_LINE)

/** What a failure is about. */
export const subject = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('broker'), broker: z.int().nonnegative() }),
  z.object({ kind: z.literal('log-dir'), broker: z.int().nonnegative(), dir: line }),
  z.object({
    kind: z.literal('replica'),
    broker: z.int().nonnegative(),
    topic: line,
    partition: z.int().nonnegative(),
  }),
  z.object({ kind: z.literal('partitions'), partitions: namedPartitions }),
  ...clusterWide,
])
export type Subject = Readonly<z.infer<typeof subject>>
export type BrokerSubject = Extract<Subject, { readonly broker: number }>
export type ReplicaSubject = Extract<Subject, { readonly kind: 'replica' }>
export type PartitionsSubject = Extract<Subject, { readonly kind: 'partitions' }>

/** The same for the same subject; it holds only what may stand in an incident's id. */
export function subjectKey(subject: Subject): string {
  switch (subject.kind) {
    case 'broker':
      return `${subject.broker}`
    case 'log-dir':
      return `${subject.broker}-dir-${shortHash(subject.dir)}`
    case 'replica':
      return `${subject.broker}-of-${shortHash(`${subject.topic}-${subject.partition}`)}`
    case 'partitions':
      return partitionsKey(subject.partitions)
    default:
      return wideKey(subject)
  }
}

const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8)

/** For people. */
export function subjectText(subject: Subject): string {
  switch (subject.kind) {
    case 'broker':
      return `broker ${subject.broker}`
    case 'log-dir':
      return `log dir ${subject.dir} of broker ${subject.broker}`
    case 'replica':
      return `replica ${subject.topic}-${subject.partition} on broker ${subject.broker}`
    case 'partitions':
      return partitionsText(subject.partitions)
    default:
      return wideText(subject)
  }
}

const sources = ['agent', 'probe', 'controller', 'broker'] as const
export type SignalSource = (typeof sources)[number]

export interface Signal {
  readonly source: SignalSource
  readonly says: string
}

/**
 * `broker-dead`: its process has ended. `broker-frozen`: it runs by name only (SIGSTOP, a hung kernel call). `broker-unregistered`:
 * it runs, and the controller does not know it: such a one never comes back by itself. `broker-lost`: it answers nobody, the
 * controller has given it up, and no agent testifies for its process. `partition-leaderless`: whoever was in sync last does not
 * come back by itself. `disk-failed`, `disk-full`, `disk-slow`: that of one of a broker's log dirs. `log-dir-offline`: the disk is
 * well again, and the broker goes without it. `segment-corrupt`: bytes of a replica are not what was written. `testimony-disputed`:
 * what an agent says of a process another side contradicts. The others stand for a while before they are told, unless another
 * explains them: `conditions/`.
 */
export const causes = [
  'broker-dead',
  'broker-frozen',
  'broker-unregistered',
  'disk-failed',
  'disk-full',
  'disk-slow',
  'log-dir-offline',
  'segment-corrupt',
  'broker-lost',
  'partition-leaderless',
  'testimony-disputed',
  ...standingCauses,
] as const
export type Cause = (typeof causes)[number]

/** One cause, with everything that is explained by it and so is not healed by itself. */
export interface Diagnosis {
  readonly cause: Cause
  readonly cluster: string
  readonly subject: Subject
  /** What nobody else may act on meanwhile. */
  readonly domain: Domain
  /** When it began as far as anybody saw it, ms since the epoch. */
  readonly beganAt: number
  /** Tells this failure from others of the same subject; the same for every healer that sees it. */
  readonly mark: string
  /** From sides that do not know of each other; an act needs two. */
  readonly signals: readonly Signal[]
  /** The process that is dead or frozen; null: no agent names one. */
  readonly pid: number | null
  readonly affected: Affected
  /** Log dirs that are to be made ready for the next start, where that is what helps. */
  readonly dirs?: readonly string[]
  /** What is to be kept of how it was found, where partitions affected do not say it. */
  readonly evidence?: readonly Readonly<{ label: string; value: string }>[]
}

/** Partitions that a subject's state touches. */
export interface Affected {
  /** Without a leader, or with a leader they still name that is out. */
  readonly leaderless: number
  /** That count what is out among their in-sync replicas: acks=all waits for it. */
  readonly waitingForIt: number
  /** Of which it is the only in-sync replica. */
  readonly lastInSync: readonly string[]
}

export const remedies = [
  'unregister',
  'kill',
  'kill-and-unregister',
  'withdraw-replicas',
  'restore-log-dir',
  're-replicate',
  'elect-most-advanced',
  'elect-preferred',
] as const
export type Remedy = (typeof remedies)[number]

export const policies = ['off', 'propose', 'automatic'] as const
export type Policy = (typeof policies)[number]

/** What may be done without asking, per cause. */
export type HealPolicy = Readonly<Record<Cause, Policy>>

/** The same for all causes but some. */
export const policyOf = (all: Policy, but: Partial<HealPolicy> = {}): HealPolicy =>
  Object.fromEntries(causes.map(cause => [cause, but[cause] ?? all])) as Record<Cause, Policy>

export interface Alternative {
  readonly what: string
  readonly whyNot: string
}

/** What would help against a diagnosis, and all that is to be said of it. Pure of policy and of what was done before. */
export type Plan =
  /** There is nothing to do (any more). */
  | { readonly kind: 'nothing'; readonly why: string }
  | {
      readonly kind: 'remedy'
      readonly remedy: Remedy
      readonly reasons: readonly string[]
      readonly refused: readonly Alternative[]
      /** What comes of it if nothing is done, and what speaks against that. */
      readonly idle?: Alternative
      readonly recovery?: Recovery
      /** Only a person may decide on it, whatever the policy: why. */
      readonly asks?: string
    }
  /** Nothing that could be done is safe. */
  | { readonly kind: 'none'; readonly why: string; readonly refused: readonly Alternative[] }

/** How a family of causes is told from the facts, and what helps. Pure. */
export interface Care {
  readonly diagnose: (facts: HealFacts) => readonly Diagnosis[]
  readonly plan: (diagnosis: Diagnosis, facts: HealFacts) => Plan
  /** Of what stands for a while: whether it still does, whatever may explain it by now. */
  readonly stands?: (subject: Subject, facts: HealFacts) => boolean
}

export type Decision =
  | {
      readonly kind: 'act' | 'propose'
      readonly remedy: Remedy
      readonly reasons: readonly string[]
      readonly refused: readonly Alternative[]
      readonly recovery?: Recovery
    }
  /** Nothing yet, or nothing more. */
  | { readonly kind: 'wait'; readonly why: string }
  | { readonly kind: 'refuse'; readonly reasons: readonly string[]; readonly refused: readonly Alternative[] }

/* ---- incidents ---- */

const time = z.int().nonnegative()

export const incidentStates = [
  'open',
  'proposed',
  'declined',
  'approved',
  'acting',
  'available',
  'healed',
  'failed',
] as const

/** A failure, from its first sign to full redundancy. Each telling holds all of it. */
export const incident = z.object({
  id: z.string().regex(/^[0-9a-z-]{1,64}$/),
  /** One more each time it is told anew. */
  revision: z.int().nonnegative(),
  cluster: line,
  subject,
  cause: z.enum(causes),
  /**
   * `open`: seen, not acted on (the last decision says why). `proposed`: a person is asked; `declined`: who has said no, and
   * may still say yes; `approved`: said yes. `available`: acknowledged writes flow to every partition it touched. `healed`: every replica is in sync again. `failed`: it ended otherwise.
   */
  state: z.enum(incidentStates),
  /** When the failure began as far as anybody saw it, was found, was acted on, and its two ends; ms since the epoch. */
  beganAt: time,
  detectedAt: time,
  actedAt: time.nullable(),
  availableAt: time.nullable(),
  healedAt: time.nullable(),
  signals: z.array(z.object({ source: z.enum(sources), says: line })).max(20),
  decision: z.object({
    kind: z.enum(['act', 'propose', 'wait', 'refuse']),
    remedy: z.enum(remedies).nullable(),
    reasons: z.array(line).max(20),
    refused: z.array(z.object({ what: line, whyNot: line })).max(20),
  }),
  evidence: z.array(z.object({ when: z.enum(['before', 'after', 'end']), label: line, value: line })).max(60),
  timeline: z.array(z.object({ at: time, text: line })).max(100),
  /** What a person is asked, and has answered. */
  proposal: proposal.optional(),
  /** Of an election outside the in-sync replicas. */
  recovery: recovery.optional(),
})
export type Incident = Readonly<z.infer<typeof incident>>

/** Kept, like the leases of the interlock, on another cluster than those it is about. */
export const INCIDENTS_TOPIC = 'ajna.heal.incidents'

export const incidentsState = z.object({
  /** Newest last. */
  incidents: z.array(incident),
  /** Nothing is done by itself while this is set: who said so, when, why. */
  paused: z.object({ actor: line, reason: line, at: time }).nullable(),
})
export type IncidentsState = Readonly<z.infer<typeof incidentsState>>

export const incidentsCommand = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tell'), incident }),
  z.object({ kind: z.literal('pause'), actor: line, reason: line }),
  z.object({ kind: z.literal('resume'), actor: line }),
  z.object({ kind: z.literal('answer'), ...answerOf.shape }),
])
export type IncidentsCommand = z.infer<typeof incidentsCommand>

export const isOver = ({ state }: Incident): boolean => state === 'healed' || state === 'failed'
