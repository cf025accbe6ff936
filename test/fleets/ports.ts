import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** Below the kernel's ephemeral ports: an outgoing connection cannot take a stopped broker's port before its restart. */
const lowest = 23_000
const highest = 32_500

/**
 * Free loopback ports that no other test process will be given while this one lives: each is claimed by a socket in the
 * abstract name space, which the kernel drops with its process.
 */
export async function claimPorts(count: number): Promise<readonly number[]> {
  const claimed: number[] = []
  while (claimed.length < count) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    if ((await claim(port)) && (await isFree(port))) claimed.push(port)
  }
  return claimed
}

async function claim(port: number): Promise<boolean> {
  const server = await listening(createServer(), { path: `\0ajna-test-port-${port}` })
  server?.unref()
  return server !== undefined
}

async function isFree(port: number): Promise<boolean> {
  const server = await listening(createServer(), { port, host: '127.0.0.1' })
  if (server === undefined) return false
  await once(server.close(), 'close')
  return true
}

/** Undefined when the address is taken. */
function listening(
  server: Server,
  address: { path: string } | { port: number; host: string },
): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(address, () => resolve(server))
  })
}
