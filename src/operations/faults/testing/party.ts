/**
 * Somebody on a network, for tests of faults in it: `node party.ts <port> <control port>`. Echoes on its port. On its control
 * port, which no fault knows, it does what it is told, one JSON line each way.
 */

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Asked, Said } from './parties.ts'

const [port, controlPort] = process.argv.slice(2).map(Number) as [number, number]
let received = 0
let kept: Socket | undefined
let echoed = 0
let broken: string | null = null

createServer(socket => {
  socket.on('error', () => undefined)
  socket.on('data', data => {
    received += data.length
    socket.write(data)
  })
}).listen(port, '127.0.0.1')

createServer(socket => {
  socket.on('error', () => undefined)
  const lines = createInterface({ input: socket })
  lines.on(
    'line',
    line => void answer(JSON.parse(line) as Asked).then(said => socket.write(`${JSON.stringify(said)}\n`)),
  )
}).listen(controlPort, '127.0.0.1')

async function answer(asked: Asked): Promise<Said> {
  if (asked.do === 'connect') await open(asked.port)
  if (asked.do === 'send') kept?.write(Buffer.alloc(asked.bytes))
  return { received, echoed, broken }
}

async function open(to: number): Promise<void> {
  kept?.destroy()
  ;[echoed, broken] = [0, null]
  const socket = connect(to, '127.0.0.1')
  kept = socket
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (kept === socket) broken = error.code ?? error.message
  })
  socket.on('data', data => {
    echoed += data.length
  })
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined)
}
