/** Keeps the target's topics like the source's: created, widened, their settings in step. */
import { describeError } from '../../foundation/errors/errors.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { TopicMetadata, Wire } from '../../foundation/wire/contract.ts'
import type { LinkAdmin, LinkSpec } from './contract.ts'
import { copySettings, settingsToChange, topicMatcher } from './decide.ts'

export interface LinkSides {
  readonly spec: LinkSpec
  readonly source: Wire
  readonly target: Wire
  readonly sourceAdmin: LinkAdmin
  readonly targetAdmin: LinkAdmin
  readonly log: Logger
}

export interface ReadyTopic {
  readonly name: string
  readonly sourceId: string
  /** Partitions that both sides have. */
  readonly partitions: number
}

/**
 * The link's topics that exist at the source and are ready at the target; what failed is logged and tried next time.
 * `pending`: some were changed just now and will be ready in a moment.
 */
export async function readyTopics(
  sides: LinkSides,
  signal: AbortSignal,
): Promise<{ topics: ReadyTopic[]; pending: boolean }> {
  const { spec, source, target, log } = sides
  const matches = topicMatcher(spec.topics)
  const wanted = (await source.metadata('all', signal)).filter(({ name }) => matches(name))
  const found = new Map(
    (
      await target.metadata(
        wanted.map(({ name }) => name),
        signal,
      )
    ).map(topic => [topic.name, topic]),
  )
  const topics: ReadyTopic[] = []
  let pending = false
  for (const topic of wanted) {
    const { name, id: sourceId } = topic
    try {
      const copy = found.get(name)
      const changed =
        copy === undefined ? await create(sides, topic, signal) : await widen(sides, topic, copy, signal)
      // Its partitions are there as soon as the target's brokers know of them: next time.
      if (changed) pending = true
      else
        topics.push({
          name,
          sourceId,
          partitions: Math.min(topic.partitions.length, copy!.partitions.length),
        })
    } catch (error) {
      signal.throwIfAborted()
      log.warn({ topic: name, reason: describeError(error) }, 'the copy could not be prepared; trying again')
    }
  }
  return { topics, pending }
}

async function create(sides: LinkSides, topic: TopicMetadata, signal: AbortSignal): Promise<true> {
  const { spec, sourceAdmin, targetAdmin, log } = sides
  const { name, partitions } = topic
  const own = (await sourceAdmin.settings([name], signal)).get(name) ?? {}
  const replicationFactor =
    spec.replicationFactor ?? Math.max(1, ...partitions.map(({ replicas }) => replicas.length))
  const copy = { name, partitions: partitions.length, replicationFactor, config: copySettings(own) }
  await targetAdmin.createTopic(copy, signal)
  log.info(copy, 'created the copy')
  return true
}

async function widen(
  sides: LinkSides,
  topic: TopicMetadata,
  copy: TopicMetadata,
  signal: AbortSignal,
): Promise<boolean> {
  const { name, partitions } = topic
  if (copy.partitions.length >= partitions.length) return false
  await sides.targetAdmin.addPartitions(name, partitions.length, signal)
  sides.log.info(
    { topic: name, from: copy.partitions.length, to: partitions.length },
    'added partitions to the copy',
  )
  return true
}

/** Brings the copies' settings in step; what failed is logged and tried next time. */
export async function alignSettings(
  sides: LinkSides,
  topics: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { sourceAdmin, targetAdmin, log } = sides
  if (topics.length === 0) return
  const [theirs, ours] = await Promise.all([
    sourceAdmin.settings(topics, signal),
    targetAdmin.settings(topics, signal),
  ])
  for (const topic of topics) {
    const source = theirs.get(topic)
    const target = ours.get(topic)
    if (source === undefined || target === undefined) continue
    const set = settingsToChange(source, target)
    if (Object.keys(set).length === 0) continue
    try {
      await targetAdmin.changeSettings(topic, set, signal)
      log.info({ topic, set }, "brought the copy's settings in step")
    } catch (error) {
      signal.throwIfAborted()
      log.warn(
        { topic, set, reason: describeError(error) },
        "the copy's settings could not be changed; trying again",
      )
    }
  }
}
