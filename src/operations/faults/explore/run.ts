import type { FaultKind } from '../contract.ts'
import type { Expectation } from '../judge.ts'
import { composeSteps, type ExploredScenario, type Step, scenarioOfSteps } from './compose.ts'
import { shrink } from './shrink.ts'

export interface ExploreTask {
  readonly seed: number
  readonly random: () => number
  readonly kinds: readonly FaultKind[]
  readonly nodes: number
  /** No round begins later, ms since the epoch. */
  readonly until: number
  /** Runs it on a cluster of its own, and answers what was not as it must be. */
  readonly runRound: (explored: ExploredScenario) => Promise<readonly Expectation[]>
  readonly note: (what: string) => void
}

export interface Exploration {
  readonly rounds: number
  /** The first sequence that failed, as short as it became; null: none did. */
  readonly found: FoundFailure | null
}

export interface FoundFailure {
  readonly round: number
  readonly faults: readonly Step[]
  /** The file that reproduces it. */
  readonly scenario: string
  readonly missed: readonly Expectation[]
  readonly replays: number
  /** It failed when it was replayed as well; false: it was seen once. */
  readonly again: boolean
  readonly isShortest: boolean
}

/** As many replays as a person waits for. */
const MOST_REPLAYS = 12

/** Random sequences, one after another, until one fails or the time is over; that one is replayed and shrunk. */
export async function explore(task: ExploreTask): Promise<Exploration> {
  const { until, runRound, note } = task
  for (let round = 1; ; round++) {
    // The first one is run however short the time.
    if (round > 1 && Date.now() >= until) return { rounds: round - 1, found: null }
    const steps = composeSteps(task)
    const explored = named(task, round, steps)
    note(`round ${round}: ${steps.map(inWords).join('; ')}`)
    const missed = await runRound(explored)
    if (missed.length > 0) return { rounds: round, found: await shortened(task, round, steps, missed) }
  }
}

async function shortened(
  task: ExploreTask,
  round: number,
  steps: readonly Step[],
  firstMissed: readonly Expectation[],
): Promise<FoundFailure> {
  const { runRound, note } = task
  let missed = firstMissed
  const fails = async (candidate: readonly Step[]): Promise<boolean> => {
    note(`replayed: ${candidate.map(inWords).join('; ')}`)
    const again = await runRound(named(task, round, candidate))
    if (again.length > 0) missed = again
    return again.length > 0
  }
  note(`not as it must be: ${firstMissed.map(({ what, found }) => `${what}: ${found}`).join('; ')}`)
  const again = await fails(steps)
  const shrunk = again
    ? await shrink(steps, fails, MOST_REPLAYS - 1)
    : { sequence: steps, replays: 0, isShortest: steps.length === 1 }
  return {
    round,
    faults: shrunk.sequence,
    scenario: named(task, round, shrunk.sequence).text,
    missed,
    replays: shrunk.replays + 1,
    again,
    isShortest: shrunk.isShortest,
  }
}

const named = ({ seed, nodes }: ExploreTask, round: number, steps: readonly Step[]): ExploredScenario =>
  scenarioOfSteps(`explored-${seed}-${round}`, (seed + round) % 2 ** 32, nodes, steps)

const inWords = ({ fault, broker }: Step): string =>
  `${fault} of ${Array.isArray(broker) ? broker.join(', ') : broker}`
