import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import { writeWhole } from '../../../foundation/files/whole.ts'
import { PORT_TAKEN, PORTS_EXHAUSTED, PORTS_FILE_INVALID } from './errors.ts'
import { holderOfPort } from './port-holder.ts'

export const defaultPortBase = 21_000
/** How many ports from the base on are Ajna's. */
export const portSpan = 1_000

/** Port by what it is for, e.g. `edge/1/client`. Once given, a name keeps its port. */
export type PortAllocations = Readonly<Record<string, number>>

const fileSchema = z.strictObject({
  base: z.int().min(1).max(65_535),
  ports: z.record(z.string(), z.int().min(1).max(65_535)),
})

/**
 * Gives each name a port: the one it has, else the lowest that is nobody's and not in `unusable`.
 *
 * @param names in the order in which new ones are given; duplicates count once
 * @throws AjnaError PORTS_EXHAUSTED
 */
export function allocate(
  existing: PortAllocations,
  names: readonly string[],
  base: number,
  unusable: ReadonlySet<number> = new Set(),
): PortAllocations {
  const ports: Record<string, number> = { ...existing }
  const taken = new Set(Object.values(existing))
  let next = base
  for (const name of names) {
    if (ports[name] !== undefined) continue
    while (taken.has(next) || unusable.has(next)) next++
    if (next >= base + portSpan || next > 65_535)
      throw new AjnaError(
        PORTS_EXHAUSTED,
        `no free port left between ${base} and ${base + portSpan - 1} for ${name}`,
      )
    ports[name] = next
    taken.add(next)
  }
  return ports
}

/** From AJNA_PORT_BASE, default 21,000. */
export function portBase(env: NodeJS.ProcessEnv = process.env): number {
  const text = env['AJNA_PORT_BASE']
  if (text === undefined || text === '') return defaultPortBase
  const base = Number(text)
  if (Number.isInteger(base) && base >= 1_024 && base <= 65_535 - portSpan) return base
  throw new AjnaError(PORTS_FILE_INVALID, `AJNA_PORT_BASE is ${JSON.stringify(text)}`, {
    remedy: `Set it to a number from 1024 to ${65_535 - portSpan}, or leave it unset (${defaultPortBase}).`,
  })
}

/**
 * The ports of these names: those remembered in `file`, and new ones where something is new, skipping what another
 * program holds just now; remembered before they are returned. The base is remembered too: another base moves all.
 *
 * @throws AjnaError PORTS_FILE_INVALID, PORTS_EXHAUSTED
 */
export async function allocatePorts(
  file: string,
  names: readonly string[],
  base = portBase(),
): Promise<PortAllocations> {
  const remembered = await readAllocations(file)
  const existing = remembered?.base === base ? remembered.ports : {}
  const unusable = new Set<number>()
  for (;;) {
    const ports = allocate(existing, names, base, unusable)
    const fresh = Object.entries(ports).filter(([name]) => existing[name] === undefined)
    const held = await takenAmong(fresh.map(([, port]) => port))
    if (held.length === 0) {
      if (fresh.length > 0 || remembered?.base !== base)
        await writeWhole(file, `${JSON.stringify({ base, ports }, null, 2)}\n`)
      return Object.fromEntries(names.map(name => [name, ports[name]!]))
    }
    for (const port of held) unusable.add(port)
  }
}

async function readAllocations(file: string): Promise<{ base: number; ports: PortAllocations } | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  try {
    return fileSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new AjnaError(PORTS_FILE_INVALID, `${file} does not hold port allocations`, { cause })
  }
}

async function takenAmong(ports: readonly number[]): Promise<readonly number[]> {
  const free = await Promise.all(ports.map(isPortFree))
  return ports.filter((_, index) => !free[index])
}

/**
 * Makes sure that these ports can be listened on now.
 *
 * @param ports by what each is for
 * @throws AjnaError PORT_TAKEN naming the port, its purpose and, when it can be known, the program that holds it
 */
export async function checkPortsFree(ports: PortAllocations): Promise<void> {
  for (const [purpose, port] of Object.entries(ports)) {
    if (await isPortFree(port)) continue
    const holder = await holderOfPort(port)
    const who = holder === undefined ? 'another program' : `${holder.program} (pid ${holder.pid})`
    throw new AjnaError(PORT_TAKEN, `port ${port}, needed for ${purpose}, is in use by ${who}`, {
      details: { port, purpose, ...(holder === undefined ? {} : { holder }) },
    })
  }
}

/** Whether 127.0.0.1:port can be listened on (not: whether somebody answers). */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false)
      else reject(error)
    })
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })
}
