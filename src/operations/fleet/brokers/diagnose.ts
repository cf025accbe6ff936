import { readFile } from 'node:fs/promises'
import type { PlacedNode } from '../contract.ts'
import { consolePath, serverLogPath } from './logging.ts'

/** A broker's own reason for ending: its last error since `since` (ISO time), from its log, else from its console. */
export async function reasonOfDeath(node: PlacedNode, since: string): Promise<string> {
  const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')
  return findReason(await read(serverLogPath(node)), await read(consolePath(node)), since)
}

/** @param log server.log, lines beginning with an ISO time */
export function findReason(log: string, console: string, since: string): string {
  const fatal = log
    .split('\n')
    .filter(line => line >= since && / (ERROR|FATAL) /.test(line))
    .at(-1)
  return fatal ?? console.trim().split('\n').at(-1) ?? 'it left no word'
}
