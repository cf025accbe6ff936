import { randomInt } from 'node:crypto'
import { listed } from '../../../foundation/config/problem.ts'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { FaultKind } from '../../../operations/faults/contract.ts'
import { whyUnavailable } from '../../../operations/faults/disk/build.ts'
import { isDiskFault } from '../../../operations/faults/disk/kibosh.ts'
import { TEST_KIND_UNKNOWN } from '../../../operations/faults/errors.ts'
import { composableKinds } from '../../../operations/faults/explore/compose.ts'
import { type Exploration, explore as exploreFaults } from '../../../operations/faults/explore/run.ts'
import type { PageRun } from '../../../operations/faults/html/page.ts'
import { randomOf } from '../../../operations/faults/random.ts'
import type { ToldResult } from '../../../operations/faults/records/model.ts'
import { needsOwnNetwork } from '../../../operations/faults/scenario.ts'
import { onBed, testing } from '../../test-bed.ts'
import { print, printJson, say } from '../output.ts'
import { bedOf, elsewhere, faultsText, pageRun, runOnBed, saidOf, type TestOptions } from './test.ts'

const NODES = 3
/** Those that fail come last. */
const KEPT_RUNS = 50

interface ExploreOptions extends Omit<TestOptions, 'report'> {
  readonly minutes: number
  readonly seed?: number
  readonly kinds?: string
}

/** Each round on a cluster of its own: what reproduces it then is the scenario alone. */
export async function explore(options: ExploreOptions): Promise<void> {
  const kinds = await kindsNamed(options.kinds)
  const seed = options.seed ?? randomInt(2 ** 32)
  if (needsOwnNetwork(kinds.map(fault => ({ fault }))) && (await elsewhere())) return
  const { exploration } = await testing(
    {
      ...{ what: 'exploration', name: `${options.minutes} min of random faults`, scenario: null },
      ...{ kinds: [...kinds], runs: 0, seed },
      ...saidOf(options),
    },
    say,
    async stage => {
      const { note, record } = stage
      note(`seed ${seed}: ${kinds.join(', ')}`)
      const runs: PageRun[] = []
      let version: string | null = null
      const exploration = await exploreFaults({
        ...{ seed, random: randomOf(seed), kinds, nodes: NODES, note },
        until: Date.now() + options.minutes * 60_000,
        runRound: async ({ scenario }) => {
          const { name } = scenario
          record.run(name, faultsText(scenario))
          const bed = bedOf(scenario, options.healer)
          const { report, result } = await onBed(bed, stage, on =>
            runOnBed(on, scenario, scenario.seed ?? seed),
          )
          version = report.version
          runs.push(pageRun(name, faultsText(scenario), report.expectations, result))
          if (runs.length > KEPT_RUNS) runs.shift()
          return report.expectations.filter(({ met }) => !met)
        },
      })
      const { found } = exploration
      const reproduces = found?.scenario ?? null
      const outcome = found === null ? 'met' : 'missed'
      const told: ToldResult = {
        outcome,
        error: null,
        version,
        report: null,
        failures: null,
        reproduces,
        runs,
      }
      return { exploration, told }
    },
  )
  if (exploration.found !== null) process.exitCode = 1
  if (options.json === true) return printJson({ seed, kinds, ...exploration })
  print(render(exploration, seed))
}

function render({ rounds, found }: Exploration, seed: number): string {
  const begun = `${rounds} ${rounds === 1 ? 'round' : 'rounds'} of random faults, seed ${seed}`
  if (found === null) return `${begun}: nothing was lost, repeated or reordered, and all was whole again`
  const { round, missed, replays, again, isShortest, scenario } = found
  return [
    `${begun}: round ${round} was NOT as it must be`,
    missed.map(({ what, expected, found }) => `${what}: expected ${expected}, found ${found}`).join('\n'),
    again
      ? `It failed again when it was replayed (${replays} replays); ${isShortest ? 'no fault of it can be left out' : 'there was no time to make it shorter'}. To see it again: save this and give it to \`ajna test run\`.`
      : 'It did not fail again when it was replayed: what was run, as a file for `ajna test run`.',
    scenario,
  ].join('\n\n')
}

/** @throws AjnaError TEST_KIND_UNKNOWN */
async function kindsNamed(names: string | undefined): Promise<readonly FaultKind[]> {
  if (names === undefined) {
    const noDisks = (await whyUnavailable()) !== undefined
    return composableKinds.filter(kind => !noDisks || !isDiskFault(kind))
  }
  return names.split(',').map(each => {
    const found = composableKinds.find(kind => kind === each.trim())
    if (found !== undefined) return found
    throw new AjnaError(
      TEST_KIND_UNKNOWN,
      `${JSON.stringify(each)} is not among ${listed([...composableKinds])}`,
    )
  })
}
