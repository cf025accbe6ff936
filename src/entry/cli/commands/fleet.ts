import { join } from 'node:path'
import { createLogger } from '../../../foundation/log/log.ts'
import { renderApply, renderPlan, renderProgress } from '../../../operations/fleet/commands.ts'
import { exitCodeOf } from '../../../operations/fleet/plan-model.ts'
import { accept, applyDeclared, declaredFleet, type FleetTask, planDeclared } from '../../fleet.ts'
import { findFleetFile } from '../../fleet-file.ts'
import { type Home, homeOf } from '../../home.ts'
import { print, printJson, say } from '../output.ts'

interface FleetOptions {
  readonly file: string
  readonly allowDelete?: boolean
  readonly json?: boolean
}

async function taskOf(home: Home, options: FleetOptions, signal: AbortSignal): Promise<FleetTask> {
  return {
    home,
    fleet: await declaredFleet(home, options.file),
    accepted: (await findFleetFile(home))?.fleet ?? null,
    allowDelete: options.allowDelete === true,
    progress: say,
    log: createLogger('apply', join(home.logs, 'apply.log')),
    signal,
  }
}

export async function plan(options: FleetOptions): Promise<void> {
  const home = homeOf()
  const planned = await planDeclared(await taskOf(home, options, interrupted()))
  process.exitCode = exitCodeOf(planned)
  if (options.json === true) printJson(planned)
  else print(renderPlan(planned))
}

export async function apply(options: FleetOptions): Promise<void> {
  const home = homeOf()
  const task = await taskOf(home, options, interrupted())
  await accept(task)
  const result = await applyDeclared(task, step => say(renderProgress(step)))
  process.exitCode = result.exit
  if (options.json === true) printJson(result)
  else print(renderApply(result))
}

/** Ctrl-C ends a plan or an apply between two steps; another apply does the rest. */
function interrupted(): AbortSignal {
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort(new Error('interrupted')))
  return ending.signal
}
