import { z } from 'zod'
import { patternMatcher } from './select.ts'

/**
 * What a link is told to do, from whichever side it comes: the fleet's file, the Connect REST API, the CLI, the console.
 * A definition is whole and JSON-safe; changing it is putting another one, which its workers take up live.
 */

const linkName = z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$/, {
  error: 'letters, digits, dots, hyphens and underscores, at most 100',
})

/** One side of a link: a cluster of the fleet, or brokers that nobody declared. */
export const linkEndSchema = z.union([
  z.strictObject({
    cluster: z.string().min(1),
    /** Whose certificate is used there; default the link's own principal. */
    principal: z.string().min(1).optional(),
  }),
  z.strictObject({
    bootstrap: z.array(z.string().regex(/^.+:\d{1,5}$/)).min(1),
    /** Absolute paths of PEM files; null: not encrypted. */
    tls: z.strictObject({ ca: z.string(), cert: z.string(), key: z.string() }).nullable(),
  }),
])
export type LinkEnd = Readonly<z.infer<typeof linkEndSchema>>

/**
 * Topics by exact name, by pattern (`*` stands for any characters), or by regular expression (`/…/`, the whole name must
 * match; see `select.ts`). Kafka's own topics (`__…`) and the platform's (`ajna.…`) are only ever meant by their exact
 * names or, the platform's, by a pattern that begins so.
 */
const topicPattern = z
  .string()
  .min(1)
  .max(1_000)
  .superRefine((pattern, context) => {
    try {
      patternMatcher(pattern)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    }
  })

/** What a topic's name may consist of. */
const affix = z.string().regex(/^[A-Za-z0-9._-]{0,100}$/, {
  error: 'letters, digits, dots, hyphens and underscores, at most 100',
})

/** Names by the same three kinds of patterns, none of them reserved; nothing included means that the link keeps nothing of it in step. */
const keptNames = z
  .strictObject({
    include: z.array(topicPattern).default([]),
    exclude: z.array(topicPattern).default([]),
  })
  .prefault({})

const bytesPerSecond = z.int().min(1_024)

/** On records' headers; a link that has one reads every record (the decoding path). */
const headerRule = z.strictObject({
  key: z.string(),
  /** Absent: any value. Compared as UTF-8. */
  value: z.string().optional(),
  /** Records that match are left out, or only they are copied. */
  act: z.enum(['drop', 'keep']),
})

export const linkDefinitionSchema = z.strictObject({
  name: linkName,
  source: linkEndSchema,
  target: linkEndSchema,
  topics: z.strictObject({
    include: z.array(topicPattern).min(1),
    exclude: z.array(topicPattern).default([]),
  }),
  /** Of the copies' names. A copy that is renamed may live in the source's own cluster. */
  rename: z
    .strictObject({ prefix: affix.default(''), suffix: affix.default('') })
    .default({ prefix: '', suffix: '' }),
  /** Replicas of the topics it creates; null: as at the source. */
  replicationFactor: z.int().min(1).nullable().default(null),
  /** What to do when there is no copy yet: `create` it as at the source, or `wait` until somebody has. */
  onMissingTopic: z.enum(['create', 'wait']).default('create'),
  /**
   * What to do when the copy's partitions are fewer than the source's: `widen` the copy, or `halt` those it lacks. A copy
   * with more of them is always left so.
   */
  onFewerPartitions: z.enum(['widen', 'halt']).default('widen'),
  /** When retention at the source overtook the link: halt the partition for a decision, or go on at what is left. */
  onLoss: z.enum(['halt', 'continue']).default('halt'),
  /** What becomes of the copy when its topic is deleted at the source. */
  onSourceDeleted: z.enum(['halt', 'delete']).default('halt'),
  /** Offsets that may be filled one marker each in one gap. */
  maxGap: z.int().min(0).default(1_000_000),
  /**
   * `identity`: each record at the offset it has at the source, or the partition halts. `mapped`: where that is impossible
   * (the copy had data before, no ClusterAction, gaps above maxGap) an exact mapping of offsets is kept instead.
   */
  offsets: z.enum(['identity', 'mapped']).default('identity'),
  /** Limits on what is written to the target; null: none. */
  rate: z
    .strictObject({
      link: bytesPerSecond.nullable().default(null),
      topic: bytesPerSecond.nullable().default(null),
    })
    .default({ link: null, topic: null }),
  headers: z.array(headerRule).default([]),
  /** What else follows the source (keep/README.md). All of it is off unless named: it gives rights and moves readers. */
  keep: z
    .strictObject({
      /**
       * Principals (`User:alice`) whose rules on copied topics, and on groups that `groups` means, the target gets too:
       * what lets them read, and what denies. What lets them write comes with a promotion.
       */
      acls: keptNames,
      /** Entities by their names: `user=alice`, `client-id=app`, `user=alice,client-id=app`; `<default>` as a name. */
      quotas: keptNames,
      /** Consumer groups whose positions on copied topics follow. */
      groups: keptNames,
      /**
       * A position at the target that this link did not put there is somebody's own: it is left alone, or only ever moved
       * forward (for groups that another tool kept in step until now).
       */
      foreignPositions: z.enum(['leave', 'advance']).default('leave'),
      /** How often, ms: how old a group's position at the target may be, but for the time a round takes. */
      everyMs: z.int().min(500).max(3_600_000).default(5_000),
    })
    .prefault({}),
  /** `paused`: nothing is copied, positions and assignment stay. `stopped`: no worker holds anything of it. */
  desired: z.enum(['running', 'paused', 'stopped']).default('running'),
})
export type LinkDefinition = Readonly<z.infer<typeof linkDefinitionSchema>>
export type LinkDefinitionInput = z.input<typeof linkDefinitionSchema>
