import type {
  BucketVerdict,
  CounterStatus,
  StreamVerdict,
  UnseenBytes,
} from '../../operations/completeness/contract.ts'
import type { LibraryScenario } from '../../operations/faults/records/library.ts'
import type { TestResult, TestSummary } from '../../operations/faults/records/model.ts'
import type { EventsRead } from '../../operations/faults/records/read.ts'
import type { Standing } from '../../operations/faults/records/standing.ts'
import type { Activity, ActivityLog } from '../../operations/fleet/activity/contract.ts'
import type { Incident } from '../../operations/heal/contract.ts'
import type { Verdict } from '../../operations/heal/proposal.ts'
import type { Rehearsal, RehearsalOptions } from '../../operations/mirror/failover/rehearsal.ts'
import type { WebhookStanding, WebhookTried } from '../../operations/notify/contract.ts'
import type {
  ActPreview,
  ConfigEntry,
  Delay,
  Group,
  HealedCluster,
  LinkAct,
  LinkDetail,
  LinkPartition,
  LinkRow,
  LogFilter,
  LogLine,
  LogTable,
  ProcessStatus,
  UnauditedFile,
} from './models.ts'

/**
 * What the API needs from the rooms; `ajna control` wires it. What is read often (fleet, links) is in memory and answered
 * at once; what costs a call to a cluster or a role is a promise and takes a signal.
 *
 * Facts only: what follows from them (states, findings, sums, pages) is worked out here, by pure functions.
 */
export interface Platform {
  readonly name: string
  readonly version: string
  readonly startedAt: number
  now(): number
  fleet(): FleetFacts
  /** Calls back after each change of what `fleet()` answers, at most once a second, until the signal aborts. */
  onFleet(changed: () => void, signal: AbortSignal): void
  /** undefined: no such topic there. */
  topicConfig(
    cluster: string,
    topic: string,
    signal: AbortSignal,
  ): Promise<readonly ConfigEntry[] | undefined>
  /** Reads forward from a place, bounded by count, bytes and time. */
  readRecords(request: ReadRecords, signal: AbortSignal): Promise<RecordsRead>
  /** Which host and file a stream id (16 hex digits) is. */
  streamOf(stream: string): { readonly host: string; readonly path: string } | undefined
  readonly logs: {
    query(sql: string, limit: number, signal: AbortSignal): Promise<LogTable>
    /** Calls back with each new line that passes, in arrival order, until the signal aborts. */
    tail(filter: LogFilter, line: (line: LogLine) => void, signal: AbortSignal): void
  }
  readonly metrics: {
    list(): readonly SeriesFacts[]
    range(query: {
      readonly name: string
      readonly labels: Readonly<Record<string, string>>
      readonly from: number
      readonly to: number
      readonly stepMs: number
    }): readonly RangeFacts[]
    /** Calls back with the samples of one metric as they arrive, until the signal aborts. */
    onSample(name: string, sample: (sample: SampleFacts) => void, signal: AbortSignal): void
  }
  readonly completeness: {
    buckets(from: number, to: number): readonly BucketVerdict[]
    streams(bucket: number): readonly StreamVerdict[]
    counters(): readonly CounterStatus[]
    unseen(): readonly UnseenBytes[]
    unaudited(): readonly UnauditedFile[]
  }
  readonly activity: ActivityLog
  readonly brokers: {
    /** What a restart would do; the offer holds every reason against it. */
    previewRestart(
      cluster: string,
      broker: number,
      signal: AbortSignal,
    ): Promise<Omit<ActPreview, 'offer' | 'confirm'>>
    /**
     * Takes a lease and begins a restart through the broker's agent; the activity's entry tells how it goes on.
     *
     * @throws AjnaError API_ACT_REFUSED: somebody else acts there, or nobody keeps leases; HEALING_AWAY: they cannot be reached
     */
    restart(cluster: string, broker: number, why: ActReason, signal: AbortSignal): Promise<Activity>
  }
  readonly healing: {
    /** Newest first. */
    incidents(): readonly Incident[]
    clusters(): readonly HealedCluster[]
    /** @throws AjnaError HEALING_AWAY */
    pause(why: ActReason): Promise<void>
    /** @throws AjnaError HEALING_AWAY */
    resume(why: ActReason): Promise<void>
    /**
     * A person's answer to a proposal, in the incidents' journal; the activity's entry of the incident tells how it goes on.
     *
     * @throws AjnaError HEALING_AWAY; API_ACT_REFUSED when another answer, or another proposal, came before it
     */
    answer(id: string, answer: ProposalAnswer, why: ActReason): Promise<Activity>
  }
  readonly tests: {
    /** Newest first. */
    list(): Promise<readonly TestSummary[]>
    /** undefined: there is none of that id. @param from of its events, bytes */
    get(id: string, from: number): Promise<FoundTest | undefined>
    scenarios(): Promise<readonly LibraryScenario[]>
    /**
     * In a process of its own, which survives this one; resolves once its record is there.
     *
     * @throws AjnaError CONFIG_INVALID, TEST_RUNNING, TEST_NOT_STARTED
     */
    start(request: TestStart, why: ActReason): Promise<TestSummary>
    /** Asks for its end; what it has broken is undone. @throws AjnaError TEST_OVER */
    stop(id: string, why: ActReason): Promise<TestSummary>
  }
  readonly webhooks: {
    list(): readonly WebhookStanding[]
    /** Sends a test event. @throws AjnaError WEBHOOK_UNKNOWN, WEBHOOK_SECRET_BAD */
    test(name: string, signal: AbortSignal): Promise<WebhookTried>
  }
  readonly links: {
    /**
     * Begins it; the activity's entry tells how it goes on, also that the journal refused it. It counts for every worker
     * once it is in the links' journal.
     *
     * @throws AjnaError LINKS_AWAY, why the beginning cannot be recorded
     */
    act(link: string, act: LinkAct, why: ActReason): Promise<Activity>
    /**
     * Looks at both sides, and says what a switch of them would do. Nothing is changed, and nothing could be: it looks with
     * rights that allow no more.
     *
     * @throws AjnaError REHEARSALS_BUSY, LINK_UNKNOWN, LINK_ENDS_FOREIGN, why the links' journal cannot be read
     */
    rehearse(link: string, options: RehearsalOptions, signal: AbortSignal): Promise<Rehearsal>
    /**
     * Begins a switch of a link's sides, or goes on with the one of that action which is under way; resolves once it has
     * begun. The activity's entry and the link's `sides` tell how it goes on. It looks once more before it begins, and is
     * refused like the command.
     *
     * @throws AjnaError FAILOVER_REFUSED, FAILOVER_CHANGED, SWITCH_AT_WORK, SWITCH_NOT_UNDER_WAY, ADMIN_MISSING, LINK_UNKNOWN,
     *   LINK_ENDS_FOREIGN, why a side or the links' journal cannot be reached
     */
    switch(link: string, request: SwitchRequest, why: ActReason): Promise<Activity>
  }
}

export interface SwitchRequest extends RehearsalOptions {
  /** Only to go on with what is under way; nothing new is begun. */
  readonly goOn: boolean
}

export interface ProposalAnswer {
  /** Which of the incident's proposals. */
  readonly proposal: number
  readonly verdict: Verdict
}

export interface TestStart {
  /** A scenario's file. */
  readonly text: string
  /** As people know it. */
  readonly file: string
  readonly healer: boolean
}

export interface FoundTest {
  readonly summary: TestSummary
  readonly scenario: string | null
  readonly result: TestResult | null
  /** How its expectations stand; empty once it is over, and when kinds of failures are measured. */
  readonly standing: readonly Standing[]
  /** What its healer tells of its cluster. */
  readonly incidents: readonly Incident[]
  readonly events: EventsRead
}

export interface ActReason {
  readonly actor: string
  readonly reason: string
}

export interface FleetFacts {
  readonly observedAt: number
  readonly sites: readonly SiteFacts[]
  readonly clusters: readonly ClusterFacts[]
  readonly links: readonly LinkFacts[]
  readonly processes: readonly ProcessStatus[]
  readonly eventToInsight: Delay | null
  /** Closed buckets that are not complete, oldest first. */
  readonly incomplete: readonly BucketVerdict[]
}

/** A link with all its partitions, 10,000s of them it may be. */
export type LinkFacts = LinkRow &
  Pick<LinkDetail, 'keeps' | 'keep' | 'workers'> & { readonly assigned: readonly LinkPartition[] }

export interface SiteFacts {
  readonly name: string
  readonly description: string
  readonly hosts: readonly string[]
}

/** One cluster: what is declared of it and what was last seen. */
export interface ClusterFacts {
  readonly name: string
  readonly site: string
  readonly driver: 'local' | 'existing'
  readonly version: string | null
  readonly declared: readonly { readonly id: number; readonly rack: string | null }[]
  /** When it was last read whole; null: never. */
  readonly observedAt: number | null
  /** Set while it cannot be read at all. */
  readonly unreachable: { readonly since: number; readonly message: string } | null
  /** Since when its health has been what it is; null: longer than is remembered. */
  readonly since: number | null
  readonly controllerId: number | null
  readonly quorum: {
    readonly leaderId: number
    readonly epoch: number
    readonly voters: readonly {
      readonly id: number
      readonly lagRecords: number
      readonly lagMs: number | null
    }[]
  } | null
  readonly brokers: readonly BrokerFacts[]
  /** Keeps its identity while it says the same: views are cached on it. */
  readonly topics: readonly TopicFacts[]
  readonly groups: readonly Group[]
  readonly failures: readonly { readonly part: string; readonly message: string }[]
  readonly recordsInPerSecond: number | null
  readonly bytesInPerSecond: number | null
  readonly history: readonly number[]
}

export interface BrokerFacts {
  readonly id: number
  readonly host: string | null
  readonly port: number | null
  readonly rack: string | null
  readonly state: 'up' | 'down' | 'unknown'
  readonly since: number | null
  readonly disks: readonly {
    readonly path: string
    readonly error: string | null
    readonly usedBytes: number
    readonly totalBytes: number | null
    readonly logBytes: number
    readonly replicas: number
  }[]
  readonly recordsInPerSecond: number | null
  readonly bytesInPerSecond: number | null
  readonly bytesOutPerSecond: number | null
  /** Whether an agent of ours keeps its process; else nobody here can restart it. */
  readonly managed: boolean
  /** Why there would be no lease on it, as far as is known just now; the journal of leases has the last word. */
  readonly leaseRefusals: readonly string[]
}

export interface TopicFacts {
  readonly name: string
  readonly id: string
  readonly internal: boolean
  /** The link that writes it here; null: local producers do. */
  readonly link: string | null
  readonly minIsr: number
  readonly recordsInPerSecond: number | null
  readonly partitions: readonly PartitionFacts[]
}

export interface PartitionFacts {
  readonly partition: number
  /** -1: none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly startOffset: number | null
  readonly endOffset: number | null
  /** Of the leader's replica. */
  readonly sizeBytes: number | null
}

export interface ReadRecords {
  readonly cluster: string
  readonly topic: string
  /** Partitions to read, each from an offset or a time, or so many records before its end. */
  readonly from: readonly { readonly partition: number; readonly at: ReadFrom }[]
  readonly limit: number
  readonly maxBytes: number
}

export type ReadFrom =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'time'; readonly timestamp: number }
  | { readonly kind: 'before-end'; readonly records: number }

export interface RawRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly { readonly name: string; readonly value: Buffer | null }[]
}

export interface RecordsRead {
  readonly records: readonly RawRecord[]
  readonly next: readonly { readonly partition: number; readonly offset: number; readonly end: number }[]
  readonly cutShort: boolean
}

export interface SeriesFacts {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly unit: string
  readonly lastTime: number
  readonly lastValue: number
}

export interface RangeFacts {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly unit: string
  readonly points: readonly (readonly [time: number, value: number])[]
}

export interface SampleFacts {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly time: number
  readonly value: number
}
