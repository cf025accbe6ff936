/** The access rules that links answer for, by cluster: put there by a switch of their sides, or kept in step. Pure. */
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import type { LinkDefinition } from '../definition.ts'
import type { LinksState } from './contract.ts'

/** Those of links that were removed count too: nobody has taken them away. */
export function rulesHeldByLinks({
  links,
  removed,
}: Pick<LinksState, 'links' | 'removed'>): ReadonlyMap<string, readonly AclBinding[]> {
  const held = new Map<string, readonly AclBinding[]>()
  const hold = (end: LinkDefinition['source'], rules: readonly AclBinding[] = []): void => {
    if ('cluster' in end && rules.length > 0)
      held.set(end.cluster, [...(held.get(end.cluster) ?? []), ...rules])
  }
  for (const { definition, keeps, sides } of Object.values(links)) {
    hold(definition.source, sides?.state.ours.source)
    hold(definition.target, sides?.state.ours.target)
    hold(definition.target, keeps?.state.acls)
  }
  for (const { definition, keeps } of removed) hold(definition.target, keeps?.state.acls)
  return held
}
