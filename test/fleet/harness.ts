import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type ApiClient, createApiClient, dataOf } from '../../src/entry/api/client.ts'
import { readFleetFile } from '../../src/entry/fleet-file.ts'
import { type Home, homeAt } from '../../src/entry/home.ts'
import { isAlive } from '../../src/foundation/process/identity.ts'
import { pidFile, readPidFile } from '../../src/foundation/process/run.ts'
import { sweptFolder } from '../fleets/sweeper.ts'

/** A whole fleet, driven as a user drives it: by the `ajna` program. */
export interface FleetUnderTest extends AsyncDisposable {
  readonly home: Home
  readonly folder: string
  readonly base: string
  readonly token: string
  readonly api: ApiClient
  /** Runs `ajna …`; rejects nothing: code and output are the answer. */
  ajna(...args: readonly string[]): Promise<Said>
  /** `SELECT …` over logs; the rows. */
  query(sql: string): Promise<readonly (readonly unknown[])[]>
  /** kill -9 by the name of the process; resolves when another process of that name runs. Answers how long that took, ms. */
  killAndAwait(name: string): Promise<number>
}

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

const AJNA = fileURLToPath(new URL('../../ajna', import.meta.url))
/** Neither the default range nor the one that test clusters claim from; AJNA_TEST_PORT_BASE lets two runs share a machine. */
const PORT_BASE = Number(process.env['AJNA_TEST_PORT_BASE'] ?? 22_000)

/** Starts the fleet that `spec` declares; `$HERE` in it is the fleet's folder. */
export async function startFleet(spec: string): Promise<FleetUnderTest> {
  const swept = await sweptFolder('ajna-fleet-')
  const folder = swept.path
  const home = homeAt(join(folder, 'home'))
  const file = join(folder, 'fleet.yaml')
  await mkdir(join(folder, 'files'))
  await writeFile(file, spec.replaceAll('$HERE', folder))
  const env = { ...process.env, AJNA_HOME: home.root, AJNA_PORT_BASE: String(PORT_BASE) }
  const ajna = (...args: readonly string[]): Promise<Said> => run(AJNA, args, folder, env)
  try {
    const said = await ajna('up', '--detach', '-f', file)
    process.stderr.write(said.err.replaceAll(/^/gm, '# '))
    if (said.code !== 0) throw new Error(`ajna up ended with ${said.code}`)
    const { ports } = await readFleetFile(home)
    const base = `http://127.0.0.1:${ports.console}`
    const token = (await readFile(home.token, 'utf8')).trim()
    const api = createApiClient(base, token)
    return {
      home,
      folder,
      base,
      token,
      api,
      ajna,
      query: async sql => dataOf(await api.POST('/api/logs/query', { body: { sql, limit: 1_000 } })).rows,
      killAndAwait: name => killAndAwait(home, name),
      async [Symbol.asyncDispose]() {
        await ajna('down')
        await keepState(home)
        await swept[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await ajna('down')
    await keepState(home)
    await swept[Symbol.asyncDispose]()
    throw error
  }
}

/** AJNA_TEST_KEEP names a folder that is given a copy of the fleet's state, for a look at what a failed run left behind. */
async function keepState(home: Home): Promise<void> {
  const keep = process.env['AJNA_TEST_KEEP']
  if (keep !== undefined)
    await cp(home.root, keep, { recursive: true, filter: file => !file.endsWith('.sock') })
}

async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Said> {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', piece => (out += piece))
  child.stderr.on('data', piece => (err += piece))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, out, err }
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
