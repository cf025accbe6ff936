/** Steps that close topics to writers, open them, and fence a link. */
import { AjnaError, describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import { settingsOfOriginal } from '../decide.ts'
import { kafkaLinkAdmin } from '../kafka-admin.ts'
import { identity } from '../keep/facts.ts'
import { aclsOf } from '../keep/gather.ts'
import { rightsOf } from '../keep/rights.ts'
import { FAILOVER_STUCK } from './errors.ts'
import { assertFenced, changeRules, type RuleChange } from './in-force.ts'
import {
  fenceOf,
  grantsToCopy,
  grantsToRead,
  openingFor,
  reservationOf,
  rulesTogether,
  sealOf,
  withoutRules,
} from './rules.ts'
import { type Evidence, namesAt, need, type Switching, sideOf, type Which, waitOf } from './switching.ts'

async function rules(at: Switching, which: Which, change: RuleChange): Promise<Evidence> {
  const note = (created: readonly AclBinding[]): Promise<void> =>
    at.change(state => ({
      ...state,
      ours: { ...state.ours, [which]: rulesTogether(state.ours[which], created) },
    }))
  const done = await changeRules(sideOf(at, which).admin, change, note, waitOf(at))
  const taken = withoutRules(change.take, change.put)
  if (taken.length > 0)
    await at.change(state => ({
      ...state,
      ours: { ...state.ours, [which]: withoutRules(state.ours[which], taken) },
    }))
  return { ...done }
}

/** Null: no authorizer. */
const rulesAt = (at: Switching, which: Which): Promise<readonly AclBinding[] | null> =>
  aclsOf(sideOf(at, which).admin, { signal: at.signal })

/** Of these rules, those that a switch put there: only they are taken away. */
function own(at: Switching, which: Which, acls: readonly AclBinding[]): AclBinding[] {
  const ours = at.state().ours[which]
  return acls.filter(acl => withoutRules([acl], ours).length === 0)
}

const barriersOf = (at: Switching, which: Which): AclBinding[] => {
  const names = namesAt(at, which)
  const { principal } = at.context
  return [...sealOf(names), ...(principal === null ? [] : fenceOf(principal, names))]
}

export async function seal(at: Switching, which: Which): Promise<Evidence> {
  const done = await rules(at, which, { put: sealOf(namesAt(at, which)), take: [] })
  if (done['authorizer'] === 'none') need(at, 'writers-stopped', `nothing can close topics at the ${which}`)
  return done
}

/** A source that hardly answers is closed if it can be; the target does not wait for it. */
export async function trySeal(at: Switching, which: Which): Promise<Evidence> {
  try {
    return await rules(at, which, { put: sealOf(namesAt(at, which)), take: [] })
  } catch (error) {
    at.signal.throwIfAborted()
    if (!isAjnaError(error)) throw error
    return { sealed: false, reason: describeError(error) }
  }
}

/** Beside the rules, the brokers are asked with the link's own certificate: no rule binds a super user. */
export async function fence(at: Switching, which: Which): Promise<Evidence> {
  const { context, signal } = at
  const names = namesAt(at, which)
  if (context.principal === null) {
    need(at, 'unfenced', 'the link acts as nobody in particular: no rule can fence it')
    return { fenced: false }
  }
  const done = await rules(at, which, { put: fenceOf(context.principal, names), take: [] })
  if (done['authorizer'] === 'none') {
    need(at, 'unfenced', `nothing can fence the link at the ${which}`)
    return { ...done, fenced: false }
  }
  const { admin, asLink } = sideOf(at, which)
  if (asLink === undefined) return { ...done, fenced: 'by rule' }
  try {
    await assertFenced(admin, asLink, names, signal)
    return { ...done, fenced: "by rule, and by each broker's word to the link" }
  } catch (error) {
    if (!at.consents('unfenced')) throw error
    return { ...done, fenced: false, reason: describeError(error) }
  }
}

/** Who wrote at the source writes at the target, by the rules that the source has, or had when it was last seen. */
export async function openTarget(at: Switching): Promise<Evidence> {
  const { context } = at
  const copies = namesAt(at, 'target')
  const seen = await sourceWriters(at)
  const put = [...seen.acls, ...openingFor(context.writers, copies)]
  // Everything that kept writers out goes, but for what keeps the link out.
  const fences = context.principal === null ? [] : fenceOf(context.principal, copies)
  const denials = at.state().ours.target.filter(({ permission }) => permission === 'deny')
  const done = await rules(at, 'target', { put, take: withoutRules(denials, fences) })
  const writers = [...new Set(put.map(({ principal }) => principal))]
  return { ...done, writers, seenAt: seen.at, settings: await settingsFromSource(at) }
}

async function sourceWriters(
  at: Switching,
): Promise<{ readonly acls: readonly AclBinding[]; readonly at: number | null }> {
  const { context, topics } = at
  if (at.state().operation?.planned === true) {
    const acls = await rulesAt(at, 'source')
    const scope = {
      keep: context.definition.keep,
      topics,
      linkPrincipals: context.principal === null ? [] : [context.principal],
      translate: identity,
    }
    return { acls: acls === null ? [] : rightsOf(acls, scope).writers, at: context.now() }
  }
  const kept = (await context.keepStore.load())?.writers ?? null
  return kept === null ? { acls: [], at: null } : { acls: kept.acls, at: kept.seenAt }
}

/** Settings that only a copy needs become as the source has them; without the source they stay. */
async function settingsFromSource(at: Switching): Promise<string> {
  if (at.state().operation?.planned !== true) return 'as they were: the source was not asked'
  const { source, target } = at.context
  const own = await kafkaLinkAdmin(source.admin).settings(namesAt(at, 'source'), at.signal)
  const admin = kafkaLinkAdmin(target.admin)
  for (const { source: name, copy } of at.topics)
    await admin.changeSettings(copy, settingsOfOriginal(own.get(name) ?? {}), at.signal)
  return 'as at the source'
}

/** A switch back that was given up: the target's writers go on. */
export const reopenTarget = (at: Switching): Promise<Evidence> =>
  rules(at, 'target', { put: [], take: own(at, 'target', sealOf(namesAt(at, 'target'))) })

/** What was opened is closed again; others who came to write meanwhile are kept out by name. */
export async function reserveTarget(at: Switching): Promise<Evidence> {
  const { principal } = at.context
  const actual = await rulesAt(at, 'target')
  if (actual === null) return { authorizer: 'none' }
  const opened = at
    .state()
    .ours.target.filter(acl => acl.permission === 'allow' && acl.principal !== principal)
  const left = withoutRules(actual, opened)
  const { denials, obstacles } = reservationOf(left, namesAt(at, 'target'), principal)
  if (obstacles[0] !== undefined)
    throw new AjnaError(FAILOVER_STUCK, `everybody may write at the target: ${obstacles[0]}`)
  return { ...(await rules(at, 'target', { put: denials, take: opened })), keptOut: denials.length }
}

/** What kept the link out goes, and what only the reverse link needed here. */
export function admitLink(at: Switching): Promise<Evidence> {
  const { principal } = at.context
  const grants = at
    .state()
    .ours.target.filter(acl => acl.permission === 'allow' && acl.principal === principal)
  return rules(at, 'target', { put: [], take: [...own(at, 'target', barriersOf(at, 'target')), ...grants] })
}

/** Only the reverse link may write at the source: others are kept out by name before what keeps everybody out is gone. */
export async function admitReverse(at: Switching): Promise<Evidence> {
  const { principal } = at.context
  const names = namesAt(at, 'source')
  const [theirs, ours] = [await rulesAt(at, 'source'), await rulesAt(at, 'target')]
  if (ours !== null && principal !== null)
    await rules(at, 'target', { put: grantsToRead(principal, namesAt(at, 'target'), ours), take: [] })
  if (theirs === null) return { authorizer: 'none' }
  const { denials, obstacles } = reservationOf(theirs, names, principal)
  if (obstacles[0] !== undefined)
    throw new AjnaError(FAILOVER_STUCK, `everybody may write at the source: ${obstacles[0]}`)
  const grants = principal === null ? [] : grantsToCopy(principal, names, theirs)
  await rules(at, 'source', { put: [...denials, ...grants], take: [] })
  const done = await rules(at, 'source', {
    put: denials,
    take: own(at, 'source', barriersOf(at, 'source')),
  })
  return { ...done, keptOut: denials.length }
}

export async function openSource(at: Switching): Promise<Evidence> {
  const { context, signal } = at
  const { sourceSettings, ours } = at.state()
  const admin = kafkaLinkAdmin(context.source.admin)
  for (const [name, settings] of Object.entries(sourceSettings))
    await admin.changeSettings(name, settingsOfOriginal(settings), signal)
  return rules(at, 'source', { put: [], take: ours.source })
}
