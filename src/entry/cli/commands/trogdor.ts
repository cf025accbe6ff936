import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { createLogger } from '../../../foundation/log/log.ts'
import { lockFile } from '../../../foundation/process/lock.ts'
import { sweep } from '../../../operations/faults/leases/revert.ts'
import { type Coordinator, openCoordinator } from '../../../operations/faults/trogdor/coordinator.ts'
import { TROGDOR_RUNNING, TROGDOR_SPEC_INVALID } from '../../../operations/faults/trogdor/errors.ts'
import { parseCommentedJson } from '../../../operations/faults/trogdor/spec/json.ts'
import { FAULT, readSpec, type TaskSpec } from '../../../operations/faults/trogdor/spec/spec.ts'
import { noStore, taskStore } from '../../../operations/faults/trogdor/store.ts'
import { type Task, taskJson } from '../../../operations/faults/trogdor/task.ts'
import type { FaultTarget } from '../../../operations/faults/trogdor/workers/fault-target.ts'
import { type Home, homeOf } from '../../home.ts'
import { lockTests, openBed, stoppingTest, stopSignal, timed } from '../../test-bed.ts'
import { openTrogdorServer } from '../../trogdor.ts'
import { print, printJson, say } from '../output.ts'
import { elsewhere } from './test.ts'

/** A cluster for faults ends after so long, whatever becomes of the coordinator. */
const CLUSTER_MS = 24 * 3_600_000

interface Nodes {
  readonly nodes?: number
}

export async function serve({ port, nodes }: Nodes & { readonly port: number }): Promise<void> {
  const home = homeOf()
  const note = timed(say)
  const folder = join(home.faults, 'trogdor')
  await using lock = await lockFile(join(folder, 'lock'), { wait: false })
  if (lock === undefined) throw new AjnaError(TROGDOR_RUNNING, `Trogdor’s coordinator runs in ${home.root}`)
  await using bed = await faultBed(home, nodes, note)
  const store = taskStore(join(folder, 'tasks'), aside => note(`a task’s file was damaged: ${aside}`))
  await using coordinator = closing(await openCoordinator({ store, target: bed.target, note }))
  await using server = await openTrogdorServer(coordinator, port, createLogger('trogdor'))
  say(`Trogdor’s coordinator is at ${server.address}`)
  await Promise.race([server.asked, aborted(bed.signal)])
  note('the coordinator ends: what runs is stopped')
}

export async function run(
  files: readonly string[],
  options: Nodes & { readonly json?: boolean },
): Promise<void> {
  const specs = new Map<string, TaskSpec>()
  for (const file of files) {
    const id = basename(file).replace(/\.json$/, '')
    if (specs.has(id)) throw new AjnaError(TROGDOR_SPEC_INVALID, `two specifications are called ${id}`)
    specs.set(id, readSpec(parseCommentedJson(await textOf(file), file)))
  }
  const ownNetwork = options.nodes !== undefined && [...specs.values()].some(partsNetwork)
  if (ownNetwork && (await elsewhere())) return
  const note = timed(say)
  await using bed = await faultBed(homeOf(), options.nodes, note, ownNetwork)
  await using coordinator = closing(await openCoordinator({ store: noStore, target: bed.target, note }))
  for (const [id, spec] of specs) await coordinator.create(id, spec)
  const stop = (): void => {
    for (const id of specs.keys()) void coordinator.stop(id)
  }
  bed.signal.addEventListener('abort', stop)
  if (bed.signal.aborted) stop()
  const tasks = await Promise.all([...specs.keys()].map(id => coordinator.ended(id)))
  if (tasks.some(({ error, cancelled }) => error !== '' || cancelled)) process.exitCode = 1
  if (options.json !== true) return print(tasks.map(rendered).join('\n'))
  // One as GET /coordinator/tasks/{id} tells it, several as GET /coordinator/tasks does.
  const told = Object.fromEntries(tasks.map(task => [task.id, taskJson(task)]))
  printJson(tasks.length === 1 ? taskJson(tasks[0]!) : { tasks: told })
}

const partsNetwork = (spec: TaskSpec): boolean => spec.class === `${FAULT}NetworkPartitionFaultSpec`

function rendered({ id, given, error, cancelled, startedMs, doneMs, status }: Task): string {
  const outcome = error !== '' ? `FAILED: ${error}` : cancelled ? 'CANCELLED' : 'FINISHED'
  const after = startedMs < 0 ? '' : ` after ${((doneMs - startedMs) / 1_000).toFixed(1)} s`
  return `${id} (${String(given['class']).replace(/^.*\./, '')}): ${outcome}${after}\n${JSON.stringify(status, null, 2)}`
}

interface FaultBed extends AsyncDisposable {
  readonly target: FaultTarget | undefined
  /** Aborted by Ctrl-C and its like. */
  readonly signal: AbortSignal
}

/** With a number of nodes a cluster whose processes may be stopped; without, none. */
async function faultBed(
  home: Home,
  nodes: number | undefined,
  note: (what: string) => void,
  ownNetwork = false,
): Promise<FaultBed> {
  if (nodes === undefined) {
    for (const { id, undone } of await sweep(home.faults)) note(`left by an earlier test: ${id}: ${undone}`)
    const signal = stopSignal('stopping: what runs is ended', say)
    return { target: undefined, signal, [Symbol.asyncDispose]: async () => undefined }
  }
  const stack = new AsyncDisposableStack()
  stack.use(await lockTests(home))
  const signal = stopSignal(stoppingTest, say)
  const task = { nodes, ownNetwork, leaseMs: CLUSTER_MS, healer: 'off' } as const
  const { cluster } = stack.use(await openBed(task, { home, note, signal }))
  say(
    `bootstrapServers: ${cluster.bootstrap.join(',')}; nodes: ${cluster.nodes.map(({ id }) => `node${id}`).join(', ')}`,
  )
  return {
    target: { cluster, folder: home.faults },
    signal,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const closing = (coordinator: Coordinator): Coordinator & AsyncDisposable => ({
  ...coordinator,
  [Symbol.asyncDispose]: () => coordinator.close(),
})

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new AjnaError(TROGDOR_SPEC_INVALID, `${file} cannot be read`, { cause })
  }
}
