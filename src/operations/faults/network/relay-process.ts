/**
 * Connections that a delay is done to lead through this process, in both directions: `node relay-process.ts <task as JSON>`. It ends
 * when its fault is taken back. iptables sends each connection to the port that stands for where it was to go (rules.ts).
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { writeWhole } from '../../../foundation/files/whole.ts'
import { randomOf } from '../random.ts'
import { lateQueue } from './late.ts'
import type { RelayTask } from './relay.ts'

const { routes, jitterMs, seed, told } = JSON.parse(process.argv[2]!) as RelayTask
const random = randomOf(seed)

const ports = await Promise.all(
  routes.map(async ({ port, upMs, downMs }) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, up => {
      const down = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
      passLate(up, down, upMs)
      passLate(down, up, downMs)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }),
)
await writeWhole(told, JSON.stringify(ports))

function passLate(from: Socket, to: Socket, byMs: number): void {
  const lateMs = (): number => (byMs === 0 ? 0 : Math.max(0, byMs + jitterMs * (2 * random() - 1)))
  const queue = lateQueue(lateMs, () => performance.now())
  let timer: NodeJS.Timeout | undefined

  function pass(): void {
    clearTimeout(timer)
    for (const data of queue.take()) {
      if (data === null) to.end()
      else if (!to.destroyed) to.write(data)
    }
    const next = queue.nextAt()
    if (next !== undefined) timer = setTimeout(pass, Math.max(0, next - performance.now()))
    // As slow as the one that is sent to: TCP then slows down the one that sends.
    if (queue.isFull() || to.writableNeedDrain) from.pause()
    else from.resume()
  }

  from.on('data', data => {
    queue.push(data)
    pass()
  })
  from.on('end', () => {
    queue.push(null)
    pass()
  })
  to.on('drain', pass)
  // A broken connection is broken at once: nobody is left who could be told late.
  from.on('error', () => to.resetAndDestroy())
  from.on('close', () => {
    if (from.errored === null) return
    clearTimeout(timer)
    to.destroy()
  })
}
