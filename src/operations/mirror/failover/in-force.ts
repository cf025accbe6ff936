/** Puts access rules at a cluster, takes others away, and waits until every broker goes by them. */
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { ClusterAdmin } from '../../../foundation/kafka/admin.ts'
import { type AclBinding, aclKey, describeAcl } from '../../../foundation/kafka/security.ts'
import { aclsOf } from '../keep/gather.ts'
import type { FailoverAdmin } from './control.ts'
import { FAILOVER_STUCK } from './errors.ts'
import type { Judged } from './judge.ts'
import { withoutRules } from './rules.ts'
import { type WaitOptions, waitUntil } from './wait.ts'

export interface RuleChange {
  readonly put: readonly AclBinding[]
  readonly take: readonly AclBinding[]
}

export type RulesChanged =
  | { readonly authorizer: 'none' }
  | { readonly authorizer: 'acls'; readonly put: number; readonly taken: number; readonly brokers: number }

/**
 * What is put comes first: between the two nobody may do more than before or after.
 *
 * @param note told, before anything is done, which rules will be there that were not: they are the switch's own
 */
export async function changeRules(
  admin: FailoverAdmin,
  { put, take }: RuleChange,
  note: (created: readonly AclBinding[]) => Promise<void>,
  wait: WaitOptions,
): Promise<RulesChanged> {
  const { signal } = wait
  const actual = await aclsOf(admin, { signal })
  if (actual === null) return { authorizer: 'none' }
  const there = new Set(actual.map(aclKey))
  const created = put.filter(acl => !there.has(aclKey(acl)))
  // A rule that is wanted again is not taken away.
  const taken = withoutRules(take, put).filter(acl => there.has(aclKey(acl)))
  if (created.length > 0) await note(created)
  refusedOf(await admin.createAcls(created, { signal }))
  // Allowances go first: a denial that is gone while they stand would let somebody through.
  for (const permission of ['allow', 'deny'] as const)
    refusedOf(
      await admin.deleteAcls(
        taken.filter(acl => acl.permission === permission),
        { signal },
      ),
    )
  const brokers = await inForce(admin, put, withoutRules(take, put), wait)
  return { authorizer: 'acls', put: created.length, taken: taken.length, brokers }
}

function refusedOf(outcomes: readonly { readonly error: AjnaError | null }[]): void {
  const failed = outcomes.find(({ error }) => error !== null)
  if (failed?.error) throw failed.error
}

/** Answers how many brokers there are. */
async function inForce(
  admin: FailoverAdmin,
  put: readonly AclBinding[],
  taken: readonly AclBinding[],
  wait: WaitOptions,
): Promise<number> {
  const { signal } = wait
  const brokers = await admin.brokers({ signal })
  await waitUntil(
    () =>
      Promise.all(brokers.map(async ({ id }) => [id, await aclsOf(admin, { signal, broker: id })] as const)),
    (seen): Judged => {
      const late = seen.flatMap(([id, acls]) => {
        const there = new Set((acls ?? []).map(aclKey))
        const wrong = [
          ...put.filter(acl => !there.has(aclKey(acl))),
          ...taken.filter(acl => there.has(aclKey(acl))),
        ]
        return wrong.map(acl => `broker ${id} does not go by it yet: ${describeAcl(acl)}`)
      })
      return late.length === 0 ? { done: true } : { done: false, waitsFor: late[0]!, standing: late.join() }
    },
    wait,
  )
  return brokers.length
}

/**
 * That a principal may write to none of the topics any more, by each broker's own word: a super user may, whatever the rules.
 *
 * @throws AjnaError FAILOVER_STUCK
 */
export async function assertFenced(
  admin: FailoverAdmin,
  asLink: Pick<ClusterAdmin, 'writableTopics'>,
  topics: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const { id } of await admin.brokers({ signal })) {
    const [open] = await asLink.writableTopics(topics, id, { signal })
    if (open !== undefined)
      throw new AjnaError(
        FAILOVER_STUCK,
        `broker ${id} lets the link write to ${open} in spite of the rule: it acts as a super user`,
      )
  }
}
