/**
 * A member of the links' group as a process of its own, to be killed, frozen and woken. Arguments: its name, and where the
 * journal is. Leaves in order on SIGTERM, ends at once when its parent is gone.
 */
import { once } from 'node:events'
import { joinGroup } from './group.ts'

const [name, ...bootstrap] = process.argv.slice(2)
let leaving = false
const asked = once(process, 'SIGTERM').then(() => {
  leaving = true
})
process.stdin.on('end', () => process.exit(1)).resume()
const worker = await joinGroup(bootstrap, name!)
worker.stopped.addEventListener('abort', () => {
  if (leaving) return
  process.stderr.write(`${name} stopped: ${worker.stopped.reason}\n`)
  process.exit(3)
})
process.stdout.write('joined\n')
await asked
await worker[Symbol.asyncDispose]()
process.exit(0)
