import type { AclBinding, QuotaValues } from '../../foundation/kafka/security.ts'
import type { ClusterSnapshot, PartError } from '../../foundation/kafka/snapshot.ts'

/**
 * The fleet as declared, every default filled in, every name looked up: what `ajna.yaml` comes to (`resolve.ts`) and what
 * `fleet.json` keeps of the declaration that was accepted last. Lists are sorted by name, so two equal declarations are
 * equal texts.
 */
export interface ResolvedFleet {
  readonly name: string
  readonly sites: readonly ResolvedSite[]
  readonly clusters: readonly ResolvedCluster[]
  readonly tenants: readonly ResolvedTenant[]
  readonly topics: readonly ResolvedTopic[]
  readonly principals: readonly ResolvedPrincipal[]
  readonly links: readonly ResolvedLink[]
  readonly ships: readonly ResolvedShip[]
  /** Null when nothing is archived. */
  readonly archive: ResolvedArchive | null
  readonly connect: ResolvedConnect
  readonly heal: ResolvedHeal
  readonly mirror: ResolvedMirror
  /** Absent: nobody is. */
  readonly notify?: ResolvedNotify
}

/** Who is told of incidents. */
export interface ResolvedNotify {
  readonly webhooks: readonly {
    readonly name: string
    readonly url: string
    /** Absolute. */
    readonly secretFile: string
    readonly events: readonly ('opened' | 'proposed' | 'acted' | 'available' | 'healed' | 'failed')[]
    /** Null: all. */
    readonly clusters: readonly string[] | null
  }[]
}

/** What works on the links. */
export interface ResolvedMirror {
  /** How many processes of each machine share the partitions of all links. */
  readonly workers: number
}

/** What the platform does by itself about each kind of failure: nothing, propose, act. */
export type ResolvedHeal = Readonly<
  Record<
    | 'broker-dead'
    | 'broker-frozen'
    | 'broker-unregistered'
    | 'broker-lost'
    | 'partition-leaderless'
    | 'disk-failed'
    | 'disk-full'
    | 'disk-slow'
    | 'log-dir-offline'
    | 'segment-corrupt'
    | 'testimony-disputed'
    | 'leaders-unbalanced'
    | 'quorum-at-risk'
    | 'under-replicated'
    | 'isr-flapping'
    | 'data-movement'
    | 'unclean-leader',
    'off' | 'propose' | 'automatic'
  >
> & {
  /** How long each has to stand before it is told, or acted on, ms; default: the healer's. */
  readonly after?: Readonly<
    Record<'leaders-unbalanced' | 'quorum-at-risk' | 'under-replicated' | 'data-movement', number>
  >
}

/** Kafka Connect's REST API over the links. */
export interface ResolvedConnect {
  /** `token`: whoever holds the session's token; `machine`: everyone on the machine. */
  readonly access: 'token' | 'machine'
  /** Null: one of the machine's range. */
  readonly port: number | null
  /** Cluster that copies go to when a configuration names none. */
  readonly target: string | null
}

export interface ResolvedSite {
  readonly name: string
  readonly description: string
}

export interface ResolvedTenant {
  readonly name: string
  readonly description: string
}

export interface ResolvedNode {
  readonly id: number
  /** Null when the cluster has no racks. */
  readonly rack: string | null
}

interface ResolvedClusterCommon {
  readonly name: string
  readonly site: string
  /** `local`: written at its site; `aggregate`: also collects other clusters' topics. */
  readonly tier: 'local' | 'aggregate'
}

/** A cluster that Ajna runs; a driver is given it as a `PlacedCluster`. */
export interface ResolvedLocalCluster extends ResolvedClusterCommon {
  readonly driver: 'local'
  /** Kafka's, e.g. `4.3.1`. */
  readonly version: string
  readonly nodes: readonly ResolvedNode[]
  /** Maximum heap of each broker, MiB. */
  readonly heapMb: number
}

/** A cluster that others run. */
export interface ResolvedExistingCluster extends ResolvedClusterCommon {
  readonly driver: 'existing'
  /** `host:port`. */
  readonly bootstrap: readonly string[]
  /** Absolute paths of PEM files; null: not encrypted. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | null
  /** Addresses of names, `*.domain` for all names in it; absent: the machine's resolver is asked. */
  readonly hosts?: Readonly<Record<string, string>>
}

export type ResolvedCluster = ResolvedLocalCluster | ResolvedExistingCluster

/* ---- placed clusters: what a driver is given to run ---- */

/** Loopback TCP ports of one node, one for each listener and one for its metrics (Prometheus text over HTTP). */
export interface NodePorts {
  readonly client: number
  readonly internal: number
  readonly controller: number
  readonly jmx: number
}

/** A broker (and controller) with its place on a machine. Paths are absolute. */
export interface PlacedNode {
  readonly id: number
  /** Null when the cluster has no racks. */
  readonly rack: string | null
  readonly ports: NodePorts
  /** The node's own directory: configuration, `logs/`. */
  readonly home: string
  /** Kafka's log.dirs; the first one also holds the metadata log. */
  readonly dataDirs: readonly string[]
  /** Maximum heap, MiB. */
  readonly heapMb: number
  /** A listener more, for those who come through the site's endpoint: its loopback port, and the `host:port` clients are told. */
  readonly endpoint?: { readonly port: number; readonly advertised: string }
}

/**
 * `mtls`: client, inter-broker and controller listeners ask for certificates and access is by ACL; `pki` is the
 * certificate store's directory, which holds each node's own (`brokerPrincipal`). `plaintext`: none of it, for tests.
 */
export type ClusterSecurity =
  | { readonly protocol: 'mtls'; readonly pki: string; readonly superUsers: readonly string[] }
  | { readonly protocol: 'plaintext' }

/** A cluster that has been given its id, ports and directories: everything a driver needs to run it. JSON-safe. */
export interface PlacedCluster {
  readonly name: string
  readonly site: string
  /** Kafka's, e.g. `4.3.1`. */
  readonly version: string
  /** 16 bytes, base64url. */
  readonly clusterId: string
  readonly security: ClusterSecurity
  readonly nodes: readonly PlacedNode[]
  /** Ids of the nodes that are controllers too; default: all. */
  readonly controllers?: readonly number[]
  /** Brokers' settings over the driver's own, by their Kafka names. */
  readonly settings?: Readonly<Record<string, string>>
  /** Options for the brokers' JVM after the driver's own. */
  readonly jvmOptions?: readonly string[]
}

/** The principal (CN) a broker's certificate carries; also the name of its process. */
export const brokerPrincipal = (cluster: string, node: number): string => `kafka-${cluster}-${node}`

/* ---- end of the placed clusters block ---- */

/** One topic at the one cluster where it is written by local producers. Copies at other clusters belong to links. */
export interface ResolvedTopic {
  readonly name: string
  readonly cluster: string
  readonly tenant: string
  readonly partitions: number
  readonly replicationFactor: number
  /** Topic settings by their Kafka names, those that are not to have the broker's default; values as Kafka prints them. */
  readonly config: Readonly<Record<string, string>>
}

/**
 * `agent` ships a site's files and metrics; `auditor` reads the same files; `link` copies topics; `mirror` keeps the links'
 * journal; `archive` reads what is archived; `control` sees everything and changes nothing but its journals; `heal` takes
 * dead brokers off their clusters and returns leaders; `admin` may do everything (a super user); `tenant` is everybody else.
 */
export type Role =
  | 'agent'
  | 'auditor'
  | 'link'
  | 'mirror'
  | 'archive'
  | 'control'
  | 'heal'
  | 'admin'
  | 'tenant'

/** Who may do what at one cluster. */
export interface ResolvedGrant {
  readonly cluster: string
  readonly acls: readonly AclBinding[]
  /** Null: the principal has no quota of its own. */
  readonly quota: QuotaValues | null
}

export interface ResolvedPrincipal {
  /** As in its certificate (CN) and in `pki/<name>/`; Kafka knows it as `User:<name>`. */
  readonly name: string
  readonly role: Role
  /** Listed in the brokers' `super.users`: needs no ACLs. */
  readonly superUser: boolean
  /** One entry per cluster where the principal may do anything. */
  readonly grants: readonly ResolvedGrant[]
}

export interface ResolvedLink {
  readonly name: string
  /** Source and target cluster. */
  readonly from: string
  readonly to: string
  /** Names of the topics copied, patterns expanded; the copies keep the names. */
  readonly topics: readonly string[]
  /** The principal the link's worker acts as, at both clusters. */
  readonly principal: string
  /** Absent: as `LINK_DEFAULTS` says. */
  readonly settings?: ResolvedLinkSettings
  /** What else of its source it keeps in step; absent: nothing. */
  readonly keep?: ResolvedKeep
}

/** What a link does where there is something to decide; the names are those of its definition. */
export interface ResolvedLinkSettings {
  /** Of the topics it creates; null: as at the source. */
  readonly replicationFactor: number | null
  readonly onMissingTopic: 'create' | 'wait'
  readonly onFewerPartitions: 'widen' | 'halt'
  readonly onLoss: 'halt' | 'continue'
  readonly onSourceDeleted: 'halt' | 'delete'
  /** Offsets. */
  readonly maxGap: number
  readonly offsets: 'identity' | 'mapped'
  /** Bytes a second that are written at most; null: no limit. */
  readonly rate: { readonly link: number | null; readonly topic: number | null }
  readonly headers: readonly {
    readonly key: string
    /** Absent: whatever it is. */
    readonly value?: string
    readonly act: 'drop' | 'keep'
  }[]
}

export const LINK_DEFAULTS: ResolvedLinkSettings = Object.freeze({
  replicationFactor: null,
  onMissingTopic: 'create',
  onFewerPartitions: 'widen',
  onLoss: 'halt',
  onSourceDeleted: 'halt',
  maxGap: 1_000_000,
  offsets: 'identity',
  rate: Object.freeze({ link: null, topic: null }),
  headers: Object.freeze([]),
})

/** Patterns of names, as a link's definition has them. */
export interface ResolvedKeep {
  readonly acls: readonly string[]
  readonly quotas: readonly string[]
  readonly groups: readonly string[]
  readonly foreignPositions: 'leave' | 'advance'
  readonly everyMs: number
}

export interface ResolvedShip {
  readonly site: string
  /** The cluster of `topic`. */
  readonly cluster: string
  readonly tenant: string
  readonly topic: string
  /** Absolute globs. */
  readonly files: readonly string[]
  readonly exclude: readonly string[]
  /** Null: no metrics, else how often the host and its brokers are sampled, ms. */
  readonly metricsEveryMs: number | null
}

export type ResolvedObjects =
  | { readonly driver: 'file' /** Absolute. */; readonly directory: string }
  | {
      readonly driver: 's3'
      readonly endpoint: string
      readonly bucket: string
      readonly region: string
      readonly prefix: string
      readonly forcePathStyle: boolean
    }

export interface ResolvedArchive {
  readonly cluster: string
  /** Names of the topics archived, patterns expanded; they are on `cluster` as originals or copies. */
  readonly topics: readonly string[]
  readonly objects: ResolvedObjects
}

/** Principals' names; the roles' workers and the certificate store use the same. */
export const agentPrincipal = (site: string): string => `agent-${site}`
export const auditorPrincipal = (site: string): string => `auditor-${site}`
export const linkPrincipal = (link: string): string => `link-${link}`
/** The links' workers, in their own journal; at the links' ends they act as the links. */
export const MIRROR_PRINCIPAL = 'mirror'
export const ARCHIVE_PRINCIPAL = 'archive'
export const CONTROL_PRINCIPAL = 'control'
/** Whom the control process acts as when it heals. */
export const HEALER_PRINCIPAL = 'healer'
export const ADMIN_PRINCIPAL = 'admin'

/** Every transactional id and group id of a principal starts with this: what its ACLs allow. */
export const ownedPrefix = (principal: string): string => `${principal}.`

/**
 * What brings a local cluster's brokers up. `absent`: it has never been made; `stopped`: it has data, and no broker runs;
 * `running`: at least one does.
 */
export interface ClusterDriver {
  state(cluster: ResolvedLocalCluster, signal: AbortSignal): Promise<'absent' | 'stopped' | 'running'>
  /** Makes every declared broker run; those that do are left alone. Resolves once the cluster answers. */
  start(cluster: ResolvedLocalCluster, signal: AbortSignal): Promise<void>
}

/** What there is of a declared cluster. */
export type ActualCluster =
  | { readonly kind: 'seen'; readonly snapshot: ClusterSnapshot }
  | { readonly kind: 'absent' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'unreachable'; readonly error: PartError }
