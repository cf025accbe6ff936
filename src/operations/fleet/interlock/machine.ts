import type { Applied, CommandMeta, Machine } from '../../../foundation/journal/contract.ts'
import {
  conflicts,
  type Domain,
  describeDomain,
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

export function inTheWay(state: InterlockState, wanted: Domain): HeldLease | undefined {
  return Object.values(state.leases).find(held => conflicts(held.domain, wanted))
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
