import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { roleOfProcess } from '../up/roles.ts'

const REFRESH_MS = 5_000

/** The machine's role processes by their pid files, looked at anew every few seconds. */
export function createRoleLooker(
  runDir: string,
): () => readonly { readonly name: string; readonly pid: number }[] {
  let found: { name: string; pid: number }[] = []
  let lookedAt = 0
  return () => {
    if (Date.now() - lookedAt > REFRESH_MS) {
      lookedAt = Date.now()
      found = readdirSync(runDir).flatMap(file => {
        const name = /^(.+)\.json$/.exec(file)?.[1]
        if (name === undefined || roleOfProcess(name) === undefined) return []
        const pid = pidIn(join(runDir, file))
        return pid === undefined ? [] : [{ name, pid }]
      })
    }
    return found
  }
}

/** undefined while the file is being replaced. */
function pidIn(file: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid
  } catch {
    return undefined
  }
}
