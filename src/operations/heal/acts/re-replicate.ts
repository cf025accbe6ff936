/**
 * Has a damaged replica copied afresh: out of the assignment, where the others are known to be undamaged, and back in once its
 * broker has thrown the damaged copy away. Its order of preference stays; what it led it leads again once it is in sync.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { Lease } from '../../fleet/interlock/contract.ts'
import { whyNotReplaced } from '../causes/corrupt.ts'
import type { ReplicaSubject } from '../contract.ts'
import { lookAt, stateOf, toldBy, verifyNow } from '../corruption.ts'
import { damagedIn } from '../damage.ts'
import type { HealerOptions } from '../ends.ts'
import { HEAL_ACT_FAILED } from '../errors.ts'
import { withdraw } from '../withdraw.ts'
import { demand } from './demand.ts'

const CALL_MS = 5_000
const GONE_WITHIN_MS = 30_000
const LOOK_MS = 200

/** @throws AjnaError HEAL_ACT_FAILED: it is not (any more) safe, or not so; what the agent or the cluster answers */
export async function reReplicate(
  options: HealerOptions,
  subject: ReplicaSubject,
  lease: Pick<Lease, 'holds'>,
): Promise<void> {
  const { agent, admin, signal } = options
  const { broker, topic, partition } = subject
  // What was decided on is some moments old, and what the others hold was read before that: all of it is looked at again.
  const told = toldBy(options, (await agent.processes(-1, signal)).processes)
  const damage = damagedIn(told).find(
    each => each.broker === broker && each.topic === topic && each.partition === partition,
  )
  if (damage === undefined) throw failed('its agent does not find it damaged any more')
  const seen = await lookAt(options, damage, told, verifyNow(options))
  const state = await stateOf(options, subject)
  if (state === undefined) throw failed('there is no such partition any more')
  const why =
    seen.served.state === 'damaged' ? whyNotReplaced(seen, state) : `its broker: ${seen.served.says}`
  if (why !== undefined) throw failed(why)
  const moving = await admin.listReassignments({ signal, deadlineMs: CALL_MS })
  if (moving.some(each => each.topic === topic && each.partition === partition))
    throw failed('its replicas are being moved')
  demand(lease)
  const well = new Set(seen.others.filter(each => each.state === 'well').map(each => each.broker))
  await withdraw(options, [state], broker, lease, {
    // Without the leader, the controller elects the first of them that is in sync.
    order: replicas => replicas.toSorted((a, b) => Number(well.has(b)) - Number(well.has(a))),
    meanwhile: () => untilGone(options, subject),
  })
}

/**
 * Assigned anew before its broker has let go of it, it would keep what it has: a broker that hears of both at once sees no
 * change.
 */
async function untilGone(
  { admin, signal }: HealerOptions,
  { broker, topic, partition }: ReplicaSubject,
): Promise<void> {
  const deadline = performance.now() + GONE_WITHIN_MS
  while (performance.now() < deadline) {
    const dirs = await admin.describeLogDirs(broker, { signal, deadlineMs: CALL_MS })
    const has = dirs.some(({ replicas }) =>
      replicas.some(each => each.topic === topic && each.partition === partition),
    )
    if (!has) return
    await delay(LOOK_MS, undefined, { signal })
  }
  throw failed(`broker ${broker} does not let go of its copy`)
}

const failed = (what: string): AjnaError => new AjnaError(HEAL_ACT_FAILED, what)
