import { z } from 'zod'
import { shardsCommand, shardsState } from '../../../foundation/shards/contract.ts'
import { linkDefinitionSchema } from '../definition.ts'
import { failoverStateSchema } from '../failover/state.ts'
import { aclSchema, keepStateSchema, movedSchema, quotaSchema } from '../keep/state.ts'

/** The journal of all links: what they are told to do, what they keep, and who works on them. One partition. */
export const LINKS_TOPIC = 'ajna.mirror.links'

const offset = z.int().nonnegative()
const producerId = z.string().regex(/^\d{1,19}$/)
const text = z.string().max(1_000)

const missing = z.object({ topic: z.string(), partition: offset, from: offset, to: offset })
const base = z.object({ topic: z.string(), partition: offset, end: offset })
export type Base = Readonly<z.infer<typeof base>>
const partition = z.object({ topic: z.string(), partition: offset })
/** Where a stretch of a mapping begins: at the source, at the target (mapping.ts). */
const segment = z.tuple([offset, offset])
const before = z.enum(['nothing', 'unknown'])
const mapping = z.object({ segments: z.array(segment).min(1), before, why: text })

/** What a link keeps for ever. */
const kept = z.object({
  /** The ids under which it appends copies, claims offsets before a source's log start, and fills gaps. */
  producerId,
  fillerId: producerId,
  markerId: producerId,
  /** Added to the token of a partition's shard it is the coordinator epoch of markers: each owner's is above all before. */
  epochBase: offset,
  /** Topics it has taken on, by name: another id at the source is another topic. */
  topics: z.record(z.string(), z.object({ sourceId: z.string() })),
  /** Ids of the copies that were last deleted with their topics, by the topic's name. */
  deleted: z.record(z.string(), z.string()),
  /** Offsets [from, to) that the target will never have, because the source no longer had them. */
  missing: z.array(missing),
  /** Where the target's log was found, or said, to be the source's, whoever wrote it. */
  bases: z.array(base),
  /** How the copies' offsets lie to their sources', where they differ; by topic/partition. */
  maps: z.record(z.string(), mapping).default({}),
})
export type Kept = Readonly<z.infer<typeof kept>>

/** `switch`: the way back of a link, which a switch of its sides makes, and nobody else changes. */
const owner = z.enum(['fleet', 'api', 'switch'])
const annotations = z.record(z.string(), z.string().max(100_000))

/** Version 0 is that of something that is not there yet; each save is decided on a version. */
const keeps = z.object({ version: z.int().positive(), state: keepStateSchema })
const sides = z.object({ version: z.int().positive(), state: failoverStateSchema })

/** What is kept in step: with the link's source, or, while that is a copy, back with the target. */
const way = z.enum(['keeps', 'keepsBack'])
export type KeepWay = z.infer<typeof way>

const link = z.object({
  definition: linkDefinitionSchema,
  /** Raised by every change of the definition. */
  version: z.int().positive(),
  owner,
  annotations,
  /** Where in the log its partitions, or some of them, were last told to begin anew. */
  restart: z
    .object({ at: offset, only: z.enum(['all', 'failed']), partitions: z.array(partition).nullable() })
    .nullable(),
  /** Null: no worker has begun it yet. */
  kept: kept.nullable(),
  /** What it, and its reverse, put at their targets besides records (keep/README.md); null: nothing yet. */
  keeps: keeps.nullable().default(null),
  keepsBack: keeps.nullable().default(null),
  /** Which side is the original (failover/README.md); null: the sides were never switched. */
  sides: sides.nullable().default(null),
  /** The link that this one is the way back of. */
  reverseOf: z.string().nullable().default(null),
})
export type KeptEntry = Readonly<z.infer<typeof link>>

export const linksState = z.object({
  shards: shardsState,
  /** Where each worker says how its links stand, by the worker's name. */
  workers: z.record(z.string(), z.object({ address: text })),
  links: z.record(z.string(), link),
  /** What links that were removed had kept: one that comes again with the same ends goes on with its copies. Oldest first. */
  removed: z.array(
    z.object({
      definition: linkDefinitionSchema,
      kept: kept.nullable(),
      keeps: keeps.nullable().default(null),
    }),
  ),
})
export type LinksState = Readonly<z.infer<typeof linksState>>

const name = z.string().max(100)
/** What only the owner of a shard may say: the token shows that it is. */
const fence = { shard: offset, token: offset }

const keeping = {
  name,
  way,
  /** The version it was decided on. */
  expected: offset,
  /** The switch on whose behalf it is; null: nobody switches. */
  operation: z.string().nullable(),
  /** Of a worker: it holds the link's lead. Null: somebody's command. */
  fence: z.object(fence).nullable(),
}

const ownCommand = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('announce'), worker: name, address: text }),
  z.object({
    kind: z.literal('put'),
    definition: linkDefinitionSchema,
    /** The version it was decided on; 0: there must be none; null: whichever. */
    expected: offset.nullable(),
    owner,
    annotations,
    /** What a new link begins with, when it was kept elsewhere before. */
    kept: kept.nullable(),
    /** Of a switch's: the link that this one is the way back of. */
    reverseOf: z.string().nullable().default(null),
  }),
  z.object({ kind: z.literal('desire'), name, desired: linkDefinitionSchema.shape.desired.unwrap() }),
  z.object({ kind: z.literal('remove'), name, owner }),
  z.object({
    kind: z.literal('restart'),
    name,
    only: z.enum(['all', 'failed']),
    /** Null: every partition. */
    partitions: z.array(partition).max(10_000).nullable(),
  }),
  /**
   * Where a stopped link goes on, whoever wrote what lies before. With other ids, what a worker from before might still
   * send is a stranger's record.
   */
  z.object({
    kind: z.literal('rebase'),
    name,
    ids: z.object({ producerId, fillerId: producerId, markerId: producerId }).nullable(),
    bases: z.array(base),
    /** Partitions whose base is void, and mapping. */
    unbased: z.array(partition),
    /** Mappings of partitions, whole. */
    maps: z.record(z.string(), mapping).default({}),
    /** Topics that are others at the source now. */
    forget: z.array(z.string()),
  }),
  /** A link's first worker has got its ids; of several the first counts. */
  z.object({
    kind: z.literal('begin'),
    name,
    ...fence,
    producerId,
    fillerId: producerId,
    markerId: producerId,
  }),
  /** Topics taken on, ids at the source by name. */
  z.object({ kind: z.literal('adopt'), name, ...fence, topics: z.record(z.string(), z.string()) }),
  z.object({ kind: z.literal('forget'), name, ...fence, topic: z.string(), copyId: z.string().nullable() }),
  z.object({ kind: z.literal('miss'), name, ...fence, ...missing.shape }),
  /** How a partition's offsets lie to its source's, before anything is written there. */
  z.object({
    kind: z.literal('map'),
    name,
    ...fence,
    topic: z.string(),
    partition: offset,
    cut: offset.nullable(),
    below: offset,
    segments: z.array(segment),
    before,
    why: text,
  }),
  /** What will be the link's own at its target, before it is put there. */
  z.object({
    kind: z.literal('keep-rights'),
    ...keeping,
    acls: z.array(aclSchema),
    quotas: z.array(quotaSchema),
    writers: keepStateSchema.shape.writers,
  }),
  z.object({
    kind: z.literal('keep-groups'),
    ...keeping,
    moved: z.array(movedSchema.extend({ group: z.string() })),
    /** Positions that are not the link's any more. */
    lost: z.array(partition.extend({ group: z.string() })),
  }),
  /** How far a switch of a link's sides has come. */
  z.object({ kind: z.literal('switch'), name, expected: offset, state: failoverStateSchema }),
])

export const linksCommand = z.discriminatedUnion('kind', [...shardsCommand.options, ...ownCommand.options])
export type LinksCommand = z.infer<typeof linksCommand>
export type OwnCommand = z.infer<typeof ownCommand>
export type CommandOf<K extends OwnCommand['kind']> = Extract<OwnCommand, { kind: K }>
