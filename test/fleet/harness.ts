import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type ApiClient, createApiClient, dataOf } from '../../src/entry/api/client.ts'
import { readFleetFile } from '../../src/entry/fleet-file.ts'
import { type Home, homeAt } from '../../src/entry/home.ts'
import { isAlive } from '../../src/foundation/process/identity.ts'
import { pidFile, readPidFile } from '../../src/foundation/process/run.ts'
import { sweptFolder } from '../fleets/sweeper.ts'

/** A folder for a fleet, and the `ajna` program that works on it as a user's does. The fleet may run or not. */
export interface FleetPlace extends AsyncDisposable {
  readonly home: Home
  readonly folder: string
  /** The declaration. */
  readonly file: string
  /** Runs `ajna …`; rejects nothing: code and output are the answer. */
  ajna(...args: readonly string[]): Promise<Said>
  /** The same with other environment variables beside. */
  ajnaWith(more: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Said>
  /** `ajna …` as the foreground program of a terminal of its own. */
  begin(...args: readonly string[]): Foreground
}

/** A whole fleet that runs. */
export interface FleetUnderTest extends FleetPlace, FleetAccess {
  /** kill -9 by the name of the process; resolves when another process of that name runs. Answers how long that took, ms. */
  killAndAwait(name: string): Promise<number>
}

/** How a program reaches the running fleet. */
export interface FleetAccess {
  readonly base: string
  readonly token: string
  readonly api: ApiClient
  /** `SELECT …` over logs; the rows. */
  query(sql: string): Promise<readonly (readonly unknown[])[]>
}

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface Foreground {
  /** On standard error, so far. */
  said(): string
  /** Ctrl-C: SIGINT to everything in the terminal's foreground. */
  interrupt(): void
  readonly ended: Promise<Said>
}

const AJNA = fileURLToPath(new URL('../../ajna', import.meta.url))
/** Neither the default range nor the one that test clusters claim from; AJNA_TEST_PORT_BASE lets two runs share a machine. */
const PORT_BASE = Number(process.env['AJNA_TEST_PORT_BASE'] ?? 22_000)

/** A place for the fleet that `spec` declares; `$HERE` in it is the place's folder. */
export async function placeFleet(spec: string): Promise<FleetPlace> {
  const swept = await sweptFolder('ajna-fleet-')
  const folder = swept.path
  const home = homeAt(join(folder, 'home'))
  const file = join(folder, 'fleet.yaml')
  await mkdir(join(folder, 'files'))
  await writeFile(file, spec.replaceAll('$HERE', folder))
  const env = { ...process.env, AJNA_HOME: home.root, AJNA_PORT_BASE: String(PORT_BASE) }
  const ajna = (...args: readonly string[]): Promise<Said> => run(AJNA, args, folder, env).ended
  return {
    home,
    folder,
    file,
    ajna,
    ajnaWith: (more, ...args) => run(AJNA, args, folder, { ...env, ...more }).ended,
    begin: (...args) => run(AJNA, args, folder, env),
    async [Symbol.asyncDispose]() {
      await ajna('down')
      await keepState(home)
      await swept[Symbol.asyncDispose]()
    },
  }
}

/** Starts the fleet that `spec` declares; `$HERE` in it is the fleet's folder. */
export async function startFleet(spec: string): Promise<FleetUnderTest> {
  const place = await placeFleet(spec)
  try {
    const said = await place.ajna('up', '--detach', '-f', place.file)
    process.stderr.write(said.err.replaceAll(/^/gm, '# '))
    if (said.code !== 0) throw new Error(`ajna up ended with ${said.code}`)
    return {
      ...place,
      ...(await accessTo(place)),
      killAndAwait: name => killAndAwait(place.home, name),
      [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
    }
  } catch (error) {
    await place[Symbol.asyncDispose]()
    throw error
  }
}

export async function accessTo({ home }: FleetPlace): Promise<FleetAccess> {
  const { ports } = await readFleetFile(home)
  const base = `http://127.0.0.1:${ports.console}`
  const token = (await readFile(home.token, 'utf8')).trim()
  const api = createApiClient(base, token)
  return {
    base,
    token,
    api,
    query: async sql => dataOf(await api.POST('/api/logs/query', { body: { sql, limit: 1_000 } })).rows,
  }
}

/** Pids of a fleet's processes that run, by name, the supervisor's (`up`) included. */
export async function pidsOf({ home }: FleetPlace): Promise<Record<string, number>> {
  const names = (await readdir(home.run).catch(() => []))
    .flatMap(name => /^(.+)\.json$/.exec(name)?.[1] ?? [])
    .sort()
  const running: Record<string, number> = {}
  for (const name of names) {
    const record = await readPidFile(pidFile(home.run, name))
    if (record !== undefined && (await isAlive(record))) running[name] = record.pid
  }
  return running
}

/** Command lines of all processes that have to do with the place, whatever started them; its sweeper aside. */
export async function processesIn({ folder }: FleetPlace): Promise<string[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const lines = await Promise.all(
    pids.map(async pid =>
      (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').join(' '),
    ),
  )
  return lines.filter(line => line.includes(folder) && !line.includes('sweeper'))
}

/** AJNA_TEST_KEEP names a folder that is given a copy of the fleet's state, for a look at what a failed run left behind. */
async function keepState(home: Home): Promise<void> {
  const keep = process.env['AJNA_TEST_KEEP']
  if (keep !== undefined)
    await cp(home.root, keep, { recursive: true, filter: file => !file.endsWith('.sock') })
}

function run(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Foreground {
  // A process group of its own, as a shell gives each command.
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let [out, err] = ['', '']
  child.stdout.on('data', piece => (out += piece))
  child.stderr.on('data', piece => (err += piece))
  return {
    said: () => err,
    interrupt: () => process.kill(-child.pid!, 'SIGINT'),
    ended: once(child, 'close').then(([code]: (number | null)[]) => ({ code: code ?? -1, out, err })),
  }
}

async function killAndAwait(home: Home, name: string): Promise<number> {
  const file = pidFile(home.run, name)
  const before = await readPidFile(file)
  if (before === undefined || !(await isAlive(before))) throw new Error(`${name} does not run`)
  const began = performance.now()
  process.kill(before.pid, 'SIGKILL')
  await until(`another ${name}`, 60_000, async () => {
    const now = await readPidFile(file)
    return now !== undefined && now.pid !== before.pid && (await isAlive(now))
  })
  return performance.now() - began
}

/** Asks until it is so. */
export async function until(what: string, ms: number, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + ms
  let problem: unknown
  for (;;) {
    try {
      if (await isSo()) return
      problem = undefined
    } catch (error) {
      problem = error
    }
    if (Date.now() > deadline) throw new Error(`${what}: not so after ${ms / 1_000} s`, { cause: problem })
    await delay(200)
  }
}
