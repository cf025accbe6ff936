/**
 * A mirror worker in a process of its own, as `ajna up` starts it, but for the fleet. Arguments: its name, and where the
 * links' journal is. Leaves in order on SIGTERM, ends at once when its parent is gone.
 */
import { once } from 'node:events'
import { GROUP_TERMS, joinGroup } from '../../mirror/group.ts'

/** Fewer than the fleet's, so that they are dealt out sooner; enough for even shares. */
const SHARDS = 64

const [name, ...bootstrap] = process.argv.slice(2)
let leaving = false
const asked = once(process, 'SIGTERM').then(() => {
  leaving = true
})
process.on('disconnect', () => process.exit(1))
const worker = await joinGroup(bootstrap, name!, { ...GROUP_TERMS, shards: SHARDS })
worker.stopped.addEventListener('abort', () => {
  if (leaving) return
  process.stderr.write(`${name} stopped: ${worker.stopped.reason}\n`)
  process.exit(3)
})
await asked
await worker[Symbol.asyncDispose]()
process.exit(0)
