import { connect, createServer, type Server, type Socket } from 'node:net'
import { helloName } from './client-hello.ts'

/**
 * One address for all brokers of a site: reads which broker's name a connection is for (SNI) and passes its bytes to that
 * broker, the first ones included, and back. It has no certificate and decrypts nothing.
 */
export interface Endpoint extends AsyncDisposable {
  /** How many connections were passed on, by the name they were for. */
  readonly passed: ReadonlyMap<string, number>
  /** As kill -9 would: every connection ends at once, and nobody listens. */
  kill(): Promise<void>
  /** Listens again, at the same port. */
  start(): Promise<void>
}

const HELLO_WITHIN_MS = 10_000

/** @param portOf the loopback port a name is passed to; undefined: nobody has that name */
export async function startEndpoint(
  port: number,
  portOf: (name: string) => number | undefined,
): Promise<Endpoint> {
  const passed = new Map<string, number>()
  const open = new Set<Socket>()
  let server: Server | undefined

  function track(socket: Socket): Socket {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    // Said to both sides by closing them.
    socket.on('error', () => undefined)
    return socket.setNoDelay(true)
  }

  function accept(client: Socket): void {
    track(client)
    client.setTimeout(HELLO_WITHIN_MS, () => client.destroy())
    let bytes = Buffer.alloc(0)
    client.on('data', function gather(piece: Buffer) {
      bytes = Buffer.concat([bytes, piece])
      const found = helloName(bytes)
      if (found.kind === 'incomplete') return
      client.off('data', gather).pause()
      client.setTimeout(0)
      const to = found.kind === 'name' ? portOf(found.name) : undefined
      if (found.kind !== 'name' || to === undefined) return void client.destroy()
      passed.set(found.name, (passed.get(found.name) ?? 0) + 1)
      pass(client, bytes, to)
    })
  }

  function pass(client: Socket, first: Buffer, to: number): void {
    const broker = track(connect({ host: '127.0.0.1', port: to }))
    broker.write(first)
    client.pipe(broker)
    broker.pipe(client)
    client.once('close', () => broker.destroy())
    broker.once('close', () => client.destroy())
  }

  async function start(): Promise<void> {
    const starting = createServer(accept)
    await new Promise<void>((resolve, reject) => {
      starting.once('error', reject)
      starting.listen(port, '127.0.0.1', resolve)
    })
    server = starting
  }

  async function kill(): Promise<void> {
    const ending = server
    server = undefined
    if (ending === undefined) return
    const closed = new Promise(resolve => ending.close(resolve))
    for (const socket of open) socket.resetAndDestroy()
    await closed
  }

  await start()
  return { passed, kill, start, [Symbol.asyncDispose]: kill }
}
