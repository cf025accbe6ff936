import { type FaultKind, faultKinds } from '../contract.ts'
import { type FaultInput, faultMs, type Scenario, scenarioOf } from '../scenario.ts'

/** A fault of a sequence; when it begins follows from those before it, so that some can be left out. */
export type Step = Omit<FaultInput, 'at'>

export interface ComposeTask {
  /** In [0, 1). */
  readonly random: () => number
  readonly kinds: readonly FaultKind[]
  readonly nodes: number
}

/**
 * A disk that lies may lose what was acknowledged on it: with it there is nothing that must hold. Nor where a broker is killed whose
 * damaged segment is not flushed yet: it cuts its log off there when it starts.
 */
const uncomposable: readonly FaultKind[] = ['disk-corrupt', 'disk-lost-writes', 'segment-corrupt']
export const composableKinds = faultKinds.filter(kind => !uncomposable.includes(kind))

const MOST_STEPS = 4
const WARM_UP_MS = 4_000
/** After a fault's time, before the next one: longer than a session, an election and a start take. */
const RECOVERY_MS = 25_000

/**
 * A random sequence within safe rules: one fault at a time, never on more than a minority of the brokers. Whatever it is,
 * nothing that was acknowledged may be lost, and all must be whole again. Pure.
 */
export function composeSteps(task: ComposeTask): readonly Step[] {
  const steps = 1 + whole(task.random, MOST_STEPS)
  return Array.from({ length: steps }, () => composeStep(task))
}

function composeStep({ random, kinds, nodes }: ComposeTask): Step {
  const kind = kinds[whole(random, kinds.length)]!
  return { fault: kind, broker: victims(random, nodes), ...detailsOf(kind, random) }
}

function victims(random: () => number, nodes: number): Step['broker'] {
  const most = Math.max(1, Math.floor((nodes - 1) / 2))
  if (1 + whole(random, most) > 1) return ['any', 'any']
  const roles = ['leader', 'controller', 'any'] as const
  // By role as often as by id: the roles are where it hurts.
  return random() < 0.5 ? roles[whole(random, roles.length)]! : 1 + whole(random, nodes)
}

function detailsOf(kind: FaultKind, random: () => number): Partial<Step> {
  const lasts = (from: number, to: number) => ({ for: `${from + whole(random, to - from + 1)}ms` })
  const one = <T>(...of: readonly T[]): T => of[whole(random, of.length)]!
  const parties = { way: one('both', 'in', 'out'), from: one('brokers', 'clients', 'all') } as const
  switch (kind) {
    case 'kill':
    case 'down':
      return lasts(1_000, 12_000)
    case 'freeze':
      return lasts(200, 15_000)
    case 'crash-loop':
      return { times: 2 + whole(random, 2), every: `${1_000 + whole(random, 4_000)}ms` }
    case 'unregister':
      return { for: '60s' }
    case 'bad-config':
      return lasts(3_000, 12_000)
    case 'partition':
      return { ...parties, ...lasts(500, 15_000) }
    case 'reset':
      return { ...parties, ...lasts(200, 3_000) }
    case 'throttle':
      return { ...parties, ...lasts(2_000, 15_000), bandwidth: one('64KiB', '256KiB', '1MiB') }
    case 'delay': {
      const by = 20 + whole(random, 400)
      return { ...parties, ...lasts(2_000, 15_000), by: `${by}ms`, jitter: `${1 + whole(random, by)}ms` }
    }
    case 'clock-skew': {
      const by = `${1 + whole(random, 600)}s`
      return { ...lasts(3_000, 15_000), ...(random() < 0.5 ? { ahead: by } : { behind: by }) }
    }
    case 'disk-slow':
      return { ...lasts(3_000, 15_000), delay: `${200 + whole(random, 3_000)}ms` }
    case 'disk-error':
    case 'disk-full':
    case 'disk-gone':
    case 'disk-corrupt':
    case 'disk-lost-writes':
    case 'segment-corrupt':
      return lasts(3_000, 15_000)
    default:
      return kind satisfies never
  }
}

const whole = (random: () => number, below: number): number => Math.floor(random() * below)

/** Each begins when the one before is over and has been recovered from. */
function timed(steps: readonly Step[], nodes: number): readonly FaultInput[] {
  let at = WARM_UP_MS
  return steps.map(step => {
    const fault: FaultInput = { ...step, at: `${at}ms` }
    at += faultMs(scenarioOf({ name: 'timed', cluster: { nodes }, faults: [fault] }).faults[0]!) + RECOVERY_MS
    return fault
  })
}

export interface ExploredScenario {
  readonly scenario: Scenario
  /** The file that says the same. */
  readonly text: string
}

export function scenarioOfSteps(
  name: string,
  seed: number,
  nodes: number,
  steps: readonly Step[],
): ExploredScenario {
  const faults = timed(steps, nodes)
  const lines = faults.map(({ at, fault, broker, ...details }) => {
    const entries = Object.entries({ at, fault, broker, ...details })
    const written = (value: unknown): string =>
      Array.isArray(value) ? `[${value.join(', ')}]` : String(value)
    return `  - { ${entries.map(([key, value]) => `${key}: ${written(value)}`).join(', ')} }`
  })
  const text = [
    `name: ${name}`,
    `seed: ${seed}`,
    `cluster: { nodes: ${nodes} }`,
    'faults:',
    ...lines,
    'expect: { lost: 0, duplicated: 0, reordered: 0, redundancyRestored: true }',
    '',
  ].join('\n')
  return { scenario: scenarioOf({ name, seed, cluster: { nodes }, faults: [...faults] }), text }
}
