import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { CarrierTask } from '../../../../test/activity/carrier.ts'
import { startCluster } from '../../../../test/fleets/cluster.ts'
import { sweptFolder } from '../../../../test/fleets/sweeper.ts'
import { seededRandom } from '../../../../test/wire/random.ts'
import { createTopic } from '../../../../test/wire/topics.ts'
import { JOURNAL_TOPIC_CONFIG } from '../../../foundation/journal/contract.ts'
import { openJournal } from '../../../foundation/journal/journal.ts'
import { openKafkaLog } from '../../../foundation/journal/kafka-log.ts'
import { decodeRecord } from '../../../foundation/journal/record.ts'
import { emptyReplica, replay } from '../../../foundation/journal/replica.ts'
import type { Wire } from '../../../foundation/wire/contract.ts'
import { openWire } from '../../../foundation/wire/wire.ts'
import { ACTIVITY_TOPIC, type Activity } from './contract.ts'
import { activityMachine } from './machine.ts'
import { openOutbox } from './outbox.ts'
import { entry } from './testing.ts'

const CARRIER = fileURLToPath(new URL('../../../../test/activity/carrier.ts', import.meta.url))
const ENTRIES = 240
const KILLS = 12
const DEADLINE_MS = 120_000

async function carrier(task: CarrierTask): Promise<ChildProcess> {
  const child = spawn(process.execPath, [CARRIER, JSON.stringify(task)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + DEADLINE_MS; !(await isSo()); await delay(50))
    if (Date.now() > end) throw new Error(`not in time: ${what}`)
}

/** Every telling that was accepted, in the order of the log, by the rule that all readers have. */
async function acceptedIn(wire: Wire): Promise<Activity[]> {
  const log = openKafkaLog({ wire, topic: ACTIVITY_TOPIC })
  const { start, end } = await log.bounds(AbortSignal.timeout(DEADLINE_MS))
  assert.equal(start, 0)
  const accepted: Activity[] = []
  let replica = emptyReplica(activityMachine)
  for await (const records of log.read(0, AbortSignal.timeout(DEADLINE_MS))) {
    for (const { offset, value } of records) {
      const step = replay(activityMachine, replica, offset, decodeRecord(value, `offset ${offset}`))
      replica = step.replica
      if (step.verdict.kind === 'accepted') accepted.push(step.verdict.command.entry)
    }
    if (replica.next >= end) return accepted
  }
  throw new Error('the log ended early')
}

test('with its carrier and the brokers killed again and again, every entry is in the journal, none twice', async t => {
  const random = seededRandom()
  t.diagnostic(`seed ${random.seed}`)
  await using cluster = await startCluster({ nodes: 3, name: 'activity' })
  await using folder = await sweptFolder('ajna-activity-')
  await createTopic(cluster.bootstrap, ACTIVITY_TOPIC, { replicas: 3, config: JOURNAL_TOPIC_CONFIG })
  const directory = join(folder.path, 'outbox')
  const task = {
    bootstrap: cluster.bootstrap,
    topic: ACTIVITY_TOPIC,
    directory,
    copy: join(folder.path, 'copy.json'),
  }
  const outbox = openOutbox({ directory, host: 'test' })

  const ends = new Map<string, Activity>()
  const telling = (async () => {
    for (let index = 0; index < ENTRIES; index++) {
      const told = await outbox.put(entry({ id: `e${index}`, at: index }))
      await delay(random.integer(100))
      // Every tenth is never told to its end.
      if (index % 10 !== 0)
        await outbox.put({
          ...told,
          revision: 1,
          outcome: 'done',
          endedAt: index + 1,
          evidence: told.evidence,
        })
      ends.set(
        told.id,
        index % 10 !== 0 ? { ...told, revision: 1, outcome: 'done', endedAt: index + 1 } : told,
      )
    }
  })()
  const breaking = (async () => {
    for (const node of cluster.nodes.slice(0, 2)) {
      await delay(2_000)
      await node.kill('SIGKILL')
      await delay(1_000)
      await node.start()
    }
    // None at all for a while: what is told waits.
    await Promise.all(cluster.nodes.map(node => node.kill('SIGKILL')))
    await delay(1_000)
    await Promise.all(cluster.nodes.map(node => node.start()))
  })()

  let killed = 0
  let over = false
  const told = Promise.all([telling, breaking]).finally(() => (over = true))
  // Two at once, as when one is started before another has ended.
  const running = [await carrier(task), await carrier(task)]
  try {
    while (!over || killed < KILLS) {
      await delay(200 + random.integer(1_500))
      const which = random.integer(2)
      await kill(running[which]!)
      killed++
      running[which] = await carrier(task)
    }
    await told
    await until('everything is carried', async () => (await outbox.look()).every(waiting => waiting.told))
  } finally {
    await Promise.all(running.map(kill))
  }

  const waiting = (await outbox.look()).map(each => each.entry.id).sort()
  assert.deepEqual(waiting, [...ends.keys()].filter(id => ends.get(id)!.outcome === 'running').sort())
  await using wire = openWire({ bootstrap: cluster.bootstrap, clientId: 'witness' })
  const accepted = (await acceptedIn(wire)).map(({ id, revision }) => `${id}.${revision}`)
  assert.equal(new Set(accepted).size, accepted.length, 'no telling twice')
  await using journal = await openJournal({
    log: openKafkaLog({ wire, topic: ACTIVITY_TOPIC }),
    machine: activityMachine,
  })
  assert.deepEqual(new Map(journal.state().entries.map(each => [each.id, each])), ends)
  t.diagnostic(
    `${ends.size} entries, ${accepted.length} tellings accepted, ${killed} carriers and 5 brokers killed`,
  )
})
