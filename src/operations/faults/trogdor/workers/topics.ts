import { AjnaError } from '../../../../foundation/errors/errors.ts'
import { type ClusterAdmin, openCluster } from '../../../../foundation/kafka/admin.ts'
import { refusalOf } from '../../../../foundation/kafka/errors.ts'
import type { NewTopic } from '../../../../foundation/kafka/topics.ts'
import type { ClientConf } from '../client-conf.ts'
import { TROGDOR_WORK_FAILED } from '../errors.ts'
import type { WorkContext } from './context.ts'

const CREATE_MS = 180_000

/**
 * Makes the topics that are not there; one that is must have as many partitions as it would have been given.
 *
 * @throws AjnaError TROGDOR_WORK_FAILED
 */
export async function makeTopics(
  client: ClientConf,
  topics: readonly NewTopic[],
  { report, ending }: WorkContext,
): Promise<void> {
  const { bootstrap, requestTimeoutMs, connectTimeoutMs } = client
  report(`Creating ${topics.length} topic(s)`)
  await using admin = openCluster({ bootstrap, clientId: 'ajna-trogdor', requestTimeoutMs, connectTimeoutMs })
  const outcomes = await admin.createTopics(topics, { signal: ending, deadlineMs: CREATE_MS })
  const there: NewTopic[] = []
  for (const { item, error } of outcomes) {
    if (error === null) continue
    if (refusalOf(error) !== 'TOPIC_ALREADY_EXISTS')
      throw new AjnaError(TROGDOR_WORK_FAILED, `topic ${item.name} could not be made`, { cause: error })
    there.push(item)
  }
  await verify(admin, there, ending)
  report(`Created ${topics.length} topic(s)`)
}

async function verify(admin: ClusterAdmin, topics: readonly NewTopic[], signal: AbortSignal): Promise<void> {
  if (topics.length === 0) return
  const found = await admin.describeTopics(
    topics.map(({ name }) => name),
    { signal },
  )
  for (const { name, layout } of topics) {
    const wanted = 'partitions' in layout ? layout.partitions : layout.replicas.length
    const has = found.find(each => each.name === name)?.partitions.length
    if (has !== undefined && has !== wanted)
      throw new AjnaError(
        TROGDOR_WORK_FAILED,
        `topic ${name} exists, but has ${has} partitions, while the requested number is ${wanted}`,
      )
  }
}
