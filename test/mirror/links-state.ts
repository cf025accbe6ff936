import { type LinkDefinitionInput, linkDefinitionSchema } from '../../src/operations/mirror/definition.ts'
import type { Operation } from '../../src/operations/mirror/failover/state.ts'
import type { LinksCommand, LinksState } from '../../src/operations/mirror/links/contract.ts'
import { linksMachine } from '../../src/operations/mirror/links/machine.ts'

/** Commands of the links' journal, and what becomes of them. */

export function definitionOf(name: string, more: Partial<LinkDefinitionInput> = {}) {
  return linkDefinitionSchema.parse({
    name,
    source: { cluster: 'edge' },
    target: { cluster: 'hub' },
    topics: { include: ['orders'] },
    ...more,
  })
}

export const put = (
  name: string,
  more: Partial<LinkDefinitionInput> = {},
  how: Partial<Extract<LinksCommand, { kind: 'put' }>> = {},
): LinksCommand => ({
  kind: 'put',
  definition: definitionOf(name, more),
  expected: null,
  owner: 'api',
  annotations: {},
  kept: null,
  reverseOf: null,
  ...how,
})

/** A promotion that has just begun. */
export const promotion: Operation = {
  id: 'op',
  action: 'promote',
  from: 'copying',
  planned: true,
  consents: [],
  stay: false,
  plan: [],
  startedAt: 1,
  steps: [],
  stuck: null,
  retries: 0,
}

export interface Said {
  readonly state: LinksState
  /** Undefined: accepted. */
  readonly reason: string | undefined
}

/** Applies commands one after another; answers what became of the last. */
export function said(...commands: readonly LinksCommand[]): Said {
  let state = linksMachine.initial
  let reason: string | undefined
  for (const [offset, command] of commands.entries()) {
    const applied = linksMachine.apply(state, command, {
      offset,
      at: 0,
      writer: 'w',
      machineVersion: linksMachine.version,
    })
    if (applied.accepted) state = applied.state
    reason = applied.accepted ? undefined : applied.reason
  }
  return { state, reason }
}
