import type { Applied, CommandMeta, Machine } from '../../../foundation/journal/contract.ts'
import {
  type Domain,
  type EndedLease,
  type HeldLease,
  type InterlockCommand,
  type InterlockState,
  interlockCommand,
  interlockState,
} from './contract.ts'

export const INTERLOCK_TOPIC = 'ajna.fleet.interlock'
const MAX_ENDED = 200
const MAX_LEASES = 1_000

/**
 * Whether two acts may not go on at once: in one cluster, whatever touches two racks; within a rack, the rack as a whole
 * and anything in it; any broker and itself. Clusters do not concern each other.
 */
export function conflicts(a: Domain, b: Domain): boolean {
  if (a.cluster !== b.cluster) return false
  if (a.kind === 'cluster' || b.kind === 'cluster') return true
  if (a.rack === null || b.rack === null || a.rack !== b.rack) return true
  return a.kind === 'rack' || b.kind === 'rack' || a.broker === b.broker
}

export function inTheWay(state: InterlockState, wanted: Domain): HeldLease | undefined {
  return Object.values(state.leases).find(held => conflicts(held.domain, wanted))
}

export function describeDomain(domain: Domain): string {
  if (domain.kind === 'cluster') return `cluster ${domain.cluster}`
  if (domain.kind === 'rack') return `rack ${domain.rack} of ${domain.cluster}`
  return `broker ${domain.broker} of ${domain.cluster}${domain.rack === null ? '' : ` (rack ${domain.rack})`}`
}

export const describeLease = ({ holder, domain, purpose }: HeldLease): string =>
  `${holder} holds ${describeDomain(domain)}: ${purpose}`

export const interlockMachine: Machine<InterlockState, InterlockCommand> = {
  version: 1,
  initial: { leases: {}, ended: [] },
  command: interlockCommand,
  state: interlockState,
  apply(state, command, meta) {
    if (command.kind === 'acquire') return applyAcquire(state, command, meta)
    const lease = Object.hasOwn(state.leases, command.id) ? state.leases[command.id] : undefined
    if (lease === undefined) return { accepted: false, reason: `lease ${command.id} has ended` }
    switch (command.kind) {
      case 'renew':
        return { accepted: true, state: withLease(state, { ...lease, renewed: meta.offset }) }
      case 'release': {
        const { outcome, evidence } = command
        return { accepted: true, state: end(state, { ...lease, outcome, evidence, endedAt: meta.at }) }
      }
      case 'expire':
        if (lease.renewed !== command.renewed)
          return { accepted: false, reason: `${lease.holder} was heard since` }
        return {
          accepted: true,
          state: end(state, { ...lease, outcome: 'expired', evidence: [], endedAt: meta.at }),
        }
      default:
        return command satisfies never
    }
  },
}

function applyAcquire(
  state: InterlockState,
  { id, domain, holder, purpose, leaseMs }: Extract<InterlockCommand, { kind: 'acquire' }>,
  { offset, at }: CommandMeta,
): Applied<InterlockState> {
  if (Object.hasOwn(state.leases, id)) return { accepted: false, reason: `lease ${id} is held already` }
  if (Object.keys(state.leases).length >= MAX_LEASES)
    return { accepted: false, reason: `${MAX_LEASES} leases are held` }
  const held = inTheWay(state, domain)
  if (held !== undefined) return { accepted: false, reason: describeLease(held) }
  return {
    accepted: true,
    state: withLease(state, {
      id,
      domain,
      holder,
      purpose,
      leaseMs,
      token: offset,
      renewed: offset,
      since: at,
    }),
  }
}

function withLease(state: InterlockState, lease: HeldLease): InterlockState {
  return { ...state, leases: { ...state.leases, [lease.id]: lease } }
}

function end(state: InterlockState, ended: EndedLease): InterlockState {
  const { [ended.id]: _ended, ...leases } = state.leases
  return { leases, ended: [...state.ended, ended].slice(-MAX_ENDED) }
}
