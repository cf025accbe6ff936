import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../foundation/kafka/admin.ts'
import { refusalOf } from '../../foundation/kafka/errors.ts'
import { controllerOf } from './controller.ts'
import { TEST_TOPIC_FAILED } from './errors.ts'
import { layoutOf } from './plan.ts'
import { minInSyncOf, replicationOf, type Scenario } from './scenario.ts'
import type { TopicWatch } from './watch.ts'

const READY_MS = 60_000
const LOOK_EVERY_MS = 100

/** Only what is closed can be damaged while its broker runs. */
const ROLLED_SOON = { 'segment.ms': '3000' }

/** The topic a scenario writes to. @throws AjnaError TEST_TOPIC_FAILED */
export async function createTopic(
  admin: ClusterAdmin,
  topic: string,
  scenario: Scenario,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const replicas = await replicasOf(admin, scenario, ids, signal)
  const config = {
    'min.insync.replicas': String(minInSyncOf(scenario)),
    'retention.ms': '-1',
    'retention.bytes': '-1',
    ...(scenario.faults.some(({ fault }) => fault === 'segment-corrupt') ? ROLLED_SOON : {}),
  }
  const [made] = await admin.createTopics([{ name: topic, layout: { replicas }, config }], { signal })
  // Nobody else makes a topic of that name: it exists already when the answer to the first attempt was lost.
  if (made?.error && refusalOf(made.error) !== 'TOPIC_ALREADY_EXISTS')
    throw new AjnaError(TEST_TOPIC_FAILED, topic, { cause: made.error })
}

async function replicasOf(
  admin: ClusterAdmin,
  scenario: Scenario,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<readonly (readonly number[])[]> {
  const { cluster, load } = scenario
  const replication = replicationOf(scenario)
  if (load.succession !== true) return layoutOf(cluster.partitions, replication, ids, load.leaders)
  const controller = await controllerOf(admin, signal)
  const others = ids.filter(id => id !== controller)
  const order = [...others, ...ids.filter(id => id === controller)].slice(0, replication)
  return Array.from({ length: cluster.partitions }, () => order)
}

/**
 * Waits until every broker has the topic whole, and has those lead that are meant to.
 *
 * @throws AjnaError TEST_TOPIC_FAILED
 */
export async function awaitWhole(
  admin: ClusterAdmin,
  topic: string,
  watch: TopicWatch,
  signal: AbortSignal,
): Promise<void> {
  const until = Date.now() + READY_MS
  while (watch.wholeForMs() === 0) {
    if (Date.now() > until)
      throw new AjnaError(
        TEST_TOPIC_FAILED,
        `${topic} is not whole after ${READY_MS / 1_000} s: ${watch.views()}`,
      )
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
  const [found] = await admin.describeTopics([topic], { signal })
  const led = found!.partitions.filter(({ leader, replicas }) => leader !== replicas[0])
  const elected = await admin.electLeaders(
    'preferred',
    led.map(({ partition }) => ({ topic, partition })),
    { signal },
  )
  const failed = elected.find(({ error }) => error !== null)
  if (failed !== undefined)
    throw new AjnaError(
      TEST_TOPIC_FAILED,
      `${topic}-${failed.item.partition} has another leader than planned`,
      {
        cause: failed.error,
      },
    )
}
