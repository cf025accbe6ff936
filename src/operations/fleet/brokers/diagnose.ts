import { lastConsoleLines, readTail } from '../../../foundation/process/console.ts'
import { freeBytes } from '../../../foundation/process/disk.ts'
import type { PlacedNode } from '../contract.ts'
import { consolePath, serverLogPath } from './logging.ts'
import { holderOfPort } from './port-holder.ts'

const logTailBytes = 512 * 1024

export interface DeathReason {
  /** In the broker's own words. */
  readonly said: string
  /** What to do about it, where that is known. */
  readonly remedy: string | undefined
}

/** A broker's own reason for ending: from its log since `since` (ISO time), else from its console. */
export async function reasonOfDeath(node: PlacedNode, since: string): Promise<DeathReason> {
  const [log, console] = await Promise.all([
    readTail(serverLogPath(node), logTailBytes),
    lastConsoleLines(consolePath(node), 200),
  ])
  const reason = mindingTheDisk(findReason(log, console, since), await freeBytes(node.home))
  const holder = await holderOfPort(portInUse(reason.said, node.ports.jmx) ?? 0)
  return holder === undefined
    ? reason
    : { ...reason, said: `${reason.said} (by ${holder.program}, pid ${holder.pid})` }
}

/** With less than this a log cannot go on. */
const FULL_BELOW_BYTES = 1024 * 1024

/**
 * On a full disk a broker cannot even write why it ends: what is left of its words is that they could not be written.
 *
 * @param free bytes on the disk of its logs; undefined: not known
 */
export function mindingTheDisk(reason: DeathReason, free: number | undefined): DeathReason {
  const isFull = free !== undefined && free < FULL_BELOW_BYTES
  if (!isFull || !reason.said.startsWith('AppenderLoggingException')) return reason
  return withRemedy(`No space left on device, not even to write it down: ${reason.said}`)
}

const withRemedy = (said: string): DeathReason => ({
  said,
  remedy: remedies.find(([sign]) => sign.test(said))?.[1],
})

/** @param unnamed the port it is when the message names none: only the metrics agent's does not */
export function portInUse(said: string, unnamed: number): number | undefined {
  if (!said.includes('Address already in use')) return undefined
  const named = /:(\d+): Address already in use/.exec(said)?.[1]
  return named === undefined ? unnamed : Number(named)
}

/**
 * @param log server.log: entries begin with an ISO time, stack traces follow
 * @param console lines
 */
export function findReason(log: string, console: readonly string[], since: string): DeathReason {
  const said =
    console.find(line => line.includes('OutOfMemoryError')) ??
    loggedReason(log.split('\n'), since) ??
    exceptionReason(console) ??
    console.at(-1) ??
    'it left no word (killed from outside, or by the kernel for want of memory)'
  return withRemedy(said)
}

const ENTRY_TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z/

const remedies: readonly [sign: RegExp, remedy: string][] = [
  [/Address already in use/, 'Stop what listens on that port, or move all of Ajna with AJNA_PORT_BASE.'],
  [/No space left on device/, 'Free space on that disk; the broker starts again by itself.'],
  [
    /OutOfMemoryError|Could not reserve enough space|insufficient memory/,
    'Give the node more heap, or the machine more memory.',
  ],
  [/Failed to acquire lock on file \.lock/, 'Another broker runs on this directory: stop it first.'],
  [/ConfigException|onfiguration|UnknownConfig/, "Correct that setting in the cluster's declaration."],
  [
    /keystore|truststore|PEM|ertificate/i,
    "Renew the broker's certificate; its files are in the certificate store.",
  ],
  [
    /JsonEOF|JsonParse|CorruptRecord|corrupt/i,
    'That file is damaged: restore it from a backup; or, when its partitions have live replicas elsewhere, move the data directory away: the broker copies them back.',
  ],
  [
    /Permission denied|AccessDenied|Read-only file system/,
    "Make the node's directories writable for the user that runs the agent.",
  ],
]

/** A broker that ends of an error writes little for long after it; one that went on was ended by something else. */
const WENT_ON_MS = 60_000

/** The last error entry that carries an exception, else the last error entry; none from long before the log's end. */
function loggedReason(lines: readonly string[], sinceStart: string): string | undefined {
  let plain: string | undefined
  const last = lines.findLast(line => ENTRY_TIME.test(line))
  const ended = last === undefined ? 0 : Date.parse(ENTRY_TIME.exec(last)![0])
  const goingOn = new Date(Math.max(0, ended - WENT_ON_MS)).toISOString()
  const since = goingOn > sinceStart ? goingOn : sinceStart
  for (let index = lines.length - 1; index >= 0; index--) {
    const entry = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (?:ERROR|FATAL) (.*?)(?: \([\w$]+\))?$/.exec(lines[index]!)
    if (entry === null) continue
    if (entry[1]! < since) break
    const following = lines.slice(index + 1)
    const end = following.findIndex(line => ENTRY_TIME.test(line))
    const reason = exceptionReason(end === -1 ? following : following.slice(0, end))
    if (reason !== undefined) return reason
    plain ??= entry[2]!
  }
  return plain
}

/**
 * What a stack trace comes down to: its innermost cause, unless the one around it quotes that and says more, as in
 * "failed to bind to 127.0.0.1:9092: Address already in use" around "Address already in use"; with the file that the one
 * around it names.
 */
function exceptionReason(lines: readonly string[]): string | undefined {
  const chain = lines
    .map(line =>
      /^(?:Caused by: )?(?:[a-z][\w$]*\.)+([A-Z][\w$]*(?:Exception|Error|Fault))(?:: (.*))?$/.exec(
        line.trim(),
      ),
    )
    .filter(match => match !== null)
    .map(([, name = '', message = '']) => ({ name, message }))
  let innermost = chain.at(-1)
  const around = chain.at(-2)
  if (innermost === undefined) return undefined
  if (around === undefined) return textOf(innermost)
  if (innermost.message !== '' && around.message.includes(innermost.message)) innermost = around
  else if (NAMES_A_FILE.test(around.message) && !NAMES_A_FILE.test(innermost.message))
    return `${around.message}: ${textOf(innermost)}`
  return textOf(innermost)
}

const NAMES_A_FILE = /(^|\s)\/[^\s/]+\//
const textOf = ({ name, message }: { readonly name: string; readonly message: string }): string =>
  message === '' ? name : `${name}: ${message}`
