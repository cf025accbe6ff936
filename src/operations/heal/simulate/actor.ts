/** A process of the control plane: it may die and begin anew, or stand still and go on where it was. */
import { leaseEnd } from '../../../foundation/shards/decide.ts'
import type { Domain } from '../../fleet/interlock/contract.ts'
import type { Rules } from './contract.ts'
import type { Keys } from './keys.ts'
import type { Schedule } from './schedule.ts'

export interface Actor {
  readonly name: string
  /** Not while it stands still, and never after its end. */
  after(ms: number, run: () => void): void
  /** A callback from elsewhere, under the same rule. */
  bound<Args extends readonly unknown[]>(run: (...args: Args) => void): (...args: Args) => void
  isAwake(): boolean
  freeze(ms: number): void
  die(): void
  /** As of the last `die`. */
  readonly lives: () => number
}

export function createActor(name: string, schedule: Schedule): Actor {
  let life = 0
  let frozenUntil = 0
  function resume(born: number, run: () => void): void {
    if (life !== born) return
    const stillMs = frozenUntil - schedule.now()
    if (stillMs > 0) schedule.after(stillMs, () => resume(born, run))
    else run()
  }
  return {
    name,
    after(ms, run) {
      const born = life
      schedule.after(ms, () => resume(born, run))
    },
    bound<Args extends readonly unknown[]>(run: (...args: Args) => void) {
      const born = life
      return (...args: Args) => resume(born, () => run(...args))
    },
    isAwake: () => schedule.now() >= frozenUntil,
    freeze(ms) {
      frozenUntil = Math.max(frozenUntil, schedule.now() + ms)
    },
    die() {
      life++
      frozenUntil = 0
    },
    lives: () => life,
  }
}

export interface SimLease {
  readonly id: string
  readonly domain: Domain
  readonly token: number
  holds(): boolean
  release(outcome: 'done' | 'failed'): void
}

export type LeaseAnswer =
  | { readonly kind: 'granted'; readonly lease: SimLease }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unknown' }

/** An actor's part in one interlock, as fleet/interlock/interlock.ts has it: own leases, what was seen of others'. */
export interface Party {
  acquire(domain: Domain, purpose: string, leaseMs: number, settle: (answer: LeaseAnswer) => void): void
  /** Forgets everything, as a process does that begins anew. */
  forget(): void
}

interface Own {
  readonly leaseMs: number
  granted: number
  asked: number
  renewing: boolean
}

const LOOK_MS = 500

export function createParty(actor: Actor, keys: Keys, rules: Rules, schedule: Schedule): Party {
  const mine = new Map<string, Own>()
  const seen = new Map<string, { renewed: number; at: number }>()
  const probed = new Map<string, { renewed: number; at: number }>()
  const underWay = new Set<string>()
  let leases = 0
  let ticking = false
  const { now } = schedule
  const held = () => Object.values(keys.leases.state().leases)

  function look(): void {
    const state = keys.leases.state().leases
    for (const { id, renewed } of held())
      if (seen.get(id)?.renewed !== renewed) seen.set(id, { renewed, at: now() })
    for (const sightings of [seen, probed])
      for (const id of sightings.keys()) if (!Object.hasOwn(state, id)) sightings.delete(id)
    for (const id of mine.keys()) if (!Object.hasOwn(state, id) || !mayAct(id)) mine.delete(id)
  }

  const mayAct = (id: string): boolean => {
    const own = mine.get(id)
    return own !== undefined && now() < leaseEnd(own.granted, own.leaseMs)
  }

  function tick(): void {
    ticking = false
    look()
    for (const action of rules.keep({ now: now(), leases: held(), mine, seen, probed })) {
      const { id } = action
      if (action.kind === 'renew') {
        renew(id)
        continue
      }
      if (underWay.has(id)) continue
      underWay.add(id)
      if (action.kind === 'expire')
        keys.leases.submit(
          action,
          actor.bound(() => void underWay.delete(id)),
        )
      else
        actor.after(20, () => {
          underWay.delete(id)
          if (keys.isOpen()) probed.set(id, { renewed: action.renewed, at: now() })
        })
    }
    begin()
  }

  /** Leases are looked at only while there are any. */
  function begin(): void {
    if (ticking || (mine.size === 0 && held().length === 0)) return
    ticking = true
    actor.after(LOOK_MS, tick)
  }

  function renew(id: string): void {
    const own = mine.get(id)!
    const asked = now()
    own.asked = asked
    own.renewing = true
    keys.leases.submit(
      { kind: 'renew', id },
      actor.bound(outcome => {
        own.renewing = false
        if (outcome.kind === 'accepted') own.granted = asked
      }),
    )
  }

  keys.leases.observers.push(() => {
    // What is read while a process stands still is read when it wakes.
    if (actor.isAwake()) look()
    begin()
  })

  return {
    acquire(domain, purpose, leaseMs, settle) {
      const asked = now()
      const id = `${actor.name}-${actor.lives()}-${leases++}`
      keys.leases.submit(
        { kind: 'acquire', id, domain, holder: actor.name, purpose, leaseMs },
        actor.bound(outcome => {
          if (outcome.kind !== 'accepted') {
            settle(outcome)
            return
          }
          mine.set(id, { leaseMs, granted: asked, asked, renewing: false })
          look()
          begin()
          const release = (how: 'done' | 'failed'): void => {
            mine.delete(id)
            keys.leases.submit({ kind: 'release', id, outcome: how, evidence: [] }, () => {})
          }
          const lease = { id, domain, token: outcome.offset, holds: () => mayAct(id), release }
          settle({ kind: 'granted', lease })
        }),
      )
    },
    forget() {
      ticking = false
      for (const map of [mine, seen, probed]) map.clear()
      underWay.clear()
      look()
      begin()
    },
  }
}
