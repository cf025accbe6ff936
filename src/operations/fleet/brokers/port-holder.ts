import { readdir, readFile, readlink } from 'node:fs/promises'

export interface PortHolder {
  readonly pid: number
  /** Its command line, shortened. */
  readonly program: string
}

const listening = '0A'
const shownCharacters = 120

/** The process that listens on a local TCP port; undefined when nobody does or it belongs to another user. */
export async function holderOfPort(port: number): Promise<PortHolder | undefined> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map(file => readFile(file, 'utf8').catch(() => '')),
  )
  const inodes = new Set(tables.flatMap(table => listenersOn(table, port)))
  if (inodes.size === 0) return undefined
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry)
    if (Number.isInteger(pid) && (await holdsSocket(pid, inodes)))
      return { pid, program: await commandLine(pid) }
  }
  return undefined
}

/** Socket inodes of the listeners on a port, from the text of /proc/net/tcp or tcp6. */
export function listenersOn(table: string, port: number): readonly string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return table
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
    .filter(fields => fields[1]?.endsWith(suffix) && fields[3] === listening)
    .map(fields => fields[9]!)
}

async function holdsSocket(pid: number, inodes: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode !== undefined && inodes.has(inode)) return true
  }
  return false
}

async function commandLine(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const words = text.split('\0').join(' ').trim()
  return words.length > shownCharacters
    ? `${words.slice(0, shownCharacters)}…`
    : words || 'an unnamed program'
}
