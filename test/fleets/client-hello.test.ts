import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { helloName } from './client-hello.ts'

/** What a real client begins with. */
async function helloFor(servername: string | undefined): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const name = servername === undefined ? {} : { servername }
  const client = connect({ host: '127.0.0.1', port, ...name, rejectUnauthorized: false })
  client.on('error', () => undefined)
  const [socket] = await once(server, 'connection')
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  client.destroy()
  server.close()
  return bytes
}

/** The same handshake in records of so many bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size)
    const header = Buffer.from(hello.subarray(0, 5))
    header.writeUInt16BE(piece.length, 3)
    records.push(header, piece)
  }
  return Buffer.concat(records)
}

/** So many of the lengths that a hello may have come to are looked at. */
const LENGTHS = 97

test('the name is found in however many TCP pieces and TLS records it comes', async () => {
  const hello = await helloFor('b1.Site1.example')
  const found = { kind: 'name', name: 'b1.site1.example' }
  for (const bytes of [hello, inRecords(hello, 1), inRecords(hello, 3), inRecords(hello, 100)]) {
    assert.deepEqual(helloName(bytes), found)
    for (let length = 0; length < bytes.length; length += Math.ceil(bytes.length / LENGTHS))
      assert.deepEqual(helloName(bytes.subarray(0, length)), { kind: 'incomplete' })
  }
})

test('what names nobody, or is no ClientHello, is said', async () => {
  assert.equal(helloName(await helloFor(undefined)).kind, 'none')
  assert.deepEqual(helloName(Buffer.from('GET / HTTP/1.1')), { kind: 'none', why: 'no TLS handshake' })
  const hello = await helloFor('b1.site1.example')
  for (let at = 5; at < hello.length; at++) {
    const damaged = Buffer.from(hello)
    damaged[at] = 0xff
    helloName(damaged)
  }
})
