/** A broker that says what its script says, over a real TCP socket. For the paths that real brokers rarely take. */
import { createServer, type Server, type Socket } from 'node:net'
import { ByteReader, ByteWriter } from '../../src/foundation/wire/bytes.ts'

export interface FakeRequest {
  readonly key: number
  readonly version: number
  readonly correlationId: number
  readonly body: ByteReader
  readonly connection: Socket
}

/** A response's body; or nothing at all; or the end of the connection; or these bytes, whatever they are. */
export type FakeAnswer = Buffer | 'silence' | 'hang-up' | { readonly raw: Buffer }

export type Script = (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>

export interface FakeBroker extends AsyncDisposable {
  readonly port: number
  readonly address: string
  readonly connections: ReadonlySet<Socket>
}

const API_VERSIONS = 18
const SPOKEN: readonly (readonly [key: number, max: number])[] = [
  [0, 11],
  [1, 16],
  [2, 7],
  [3, 12],
  [10, 3],
  [21, 2],
  [22, 4],
  [23, 4],
  [27, 1],
  [61, 0],
]

export async function fakeBroker(script: Script): Promise<FakeBroker> {
  const connections = new Set<Socket>()
  const server = createServer(socket => {
    connections.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => connections.delete(socket))
    serve(socket, script)
  })
  const port = await listen(server)
  return {
    port,
    address: `127.0.0.1:${port}`,
    connections,
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function serve(socket: Socket, script: Script): void {
  let buffered: Buffer = Buffer.alloc(0)
  let previous: Promise<void> = Promise.resolve()
  socket.on('data', chunk => {
    buffered = Buffer.concat([buffered, chunk])
    while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
      const frame = buffered.subarray(4, 4 + buffered.readInt32BE(0))
      buffered = buffered.subarray(4 + frame.length)
      // One request of a connection at a time, as brokers do.
      previous = previous.then(() => answer(socket, frame, script))
    }
  })
}

async function answer(socket: Socket, frame: Buffer, script: Script): Promise<void> {
  const body = new ByteReader(frame)
  const request = {
    key: body.int16(),
    version: body.int16(),
    correlationId: body.int32(),
    body,
    connection: socket,
  }
  body.nullableString()
  body.taggedFields()
  const said = await script(request)
  if (said === 'silence') await new Promise(resolve => socket.once('close', resolve))
  else if (said === 'hang-up') socket.destroy()
  else if ('raw' in said) socket.write(said.raw)
  else socket.write(framed(request.correlationId, said, request.key === API_VERSIONS))
}

export function framed(correlationId: number, body: Buffer, plainHeader = false): Buffer {
  const header = new ByteWriter(16).int32(0).int32(correlationId)
  if (!plainHeader) header.noTaggedFields()
  header.raw(body)
  header.patchInt32(0, header.length - 4)
  return header.finish()
}

export function apiVersionsBody(): Buffer {
  const writer = new ByteWriter().int16(0)
  writer.compactArray(SPOKEN, (w, [key, max]) => w.int16(key).int16(0).int16(max).noTaggedFields())
  return writer.int32(0).noTaggedFields().finish()
}

/** Answers the handshake itself, everything else by the script. */
export function afterHandshake(script: Script): Script {
  return request => (request.key === API_VERSIONS ? apiVersionsBody() : script(request))
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('no port'))
      else resolve(address.port)
    })
  })
}
