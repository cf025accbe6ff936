import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../../../foundation/errors/errors.ts'
import { temporaryFolder } from '../../../foundation/process/testing.ts'
import { PORT_TAKEN, PORTS_EXHAUSTED, PORTS_FILE_INVALID } from './errors.ts'
import { listenersOn } from './port-holder.ts'
import { allocate, allocatePorts, checkPortsFree, portBase, portSpan } from './ports.ts'

test('a name keeps its port whatever is asked for later, and no port has two names', () => {
  const names = fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 40 })
  const unusable = fc.uniqueArray(fc.integer({ min: 30_000, max: 30_060 }), { maxLength: 20 })
  fc.assert(
    fc.property(fc.array(fc.tuple(names, unusable), { maxLength: 6 }), rounds => {
      let ports = {}
      for (const [wanted, taken] of rounds) {
        const before = { ...ports }
        ports = allocate(ports, wanted, 30_000, new Set(taken))
        for (const [name, port] of Object.entries(before))
          assert.equal(ports[name as keyof typeof ports], port)
        for (const name of wanted) assert.ok(Object.hasOwn(ports, name))
        assert.equal(new Set(Object.values(ports)).size, Object.keys(ports).length)
        for (const [name, port] of Object.entries(ports))
          if (!Object.hasOwn(before, name)) assert.ok(!taken.includes(port as number))
      }
    }),
  )
})

test('says so when the range is used up', () => {
  const names = Array.from({ length: portSpan + 1 }, (_, index) => `n${index}`)
  assert.throws(
    () => allocate({}, names, 30_000),
    error => isAjnaError(error, PORTS_EXHAUSTED),
  )
})

test('remembers, skips what others hold when it gives a port, and moves everything with its base', async t => {
  const file = join(await temporaryFolder(t), 'ports.json')
  await using held = await holdPort()
  const base = held.port
  const first = await allocatePorts(file, ['a', 'b'], base)
  assert.ok(first['a']! > held.port)
  assert.deepEqual(await allocatePorts(file, ['b', 'a'], base), { b: first['b'], a: first['a'] })
  const more = await allocatePorts(file, ['c', 'a'], base)
  assert.equal(more['a'], first['a'])
  const moved = await allocatePorts(file, ['a'], base - 2_000)
  assert.ok(moved['a']! < base - 1_000)
  assert.equal(JSON.parse(await readFile(file, 'utf8')).base, base - 2_000)
})

for (const text of [
  '',
  'nonsense',
  '{"base":1}',
  '{"base":21000,"ports":{"a":"x"}}',
  '{"base":21000,"ports":{"a":99999}}',
])
  test(`a file of ${JSON.stringify(text)} is refused, not overwritten`, async t => {
    const file = join(await temporaryFolder(t), 'ports.json')
    await writeFile(file, text)
    await assert.rejects(allocatePorts(file, ['a']), error => isAjnaError(error, PORTS_FILE_INVALID))
    assert.equal(await readFile(file, 'utf8'), text)
  })

test('names what holds a port', async () => {
  await using held = await holdPort()
  await assert.rejects(checkPortsFree({ 'edge/1/client': held.port }), error => {
    assert.ok(isAjnaError(error, PORT_TAKEN))
    assert.match(
      error.message,
      new RegExp(
        `port ${held.port}, needed for edge/1/client, is in use by .*node.* \\(pid ${process.pid}\\)`,
      ),
    )
    return true
  })
  const { port } = held
  await held[Symbol.asyncDispose]()
  await checkPortsFree({ 'edge/1/client': port })
})

test('the base comes from the environment, and nonsense is refused', () => {
  assert.equal(portBase({}), 21_000)
  assert.equal(portBase({ AJNA_PORT_BASE: '31000' }), 31_000)
  for (const text of ['x', '80', '65000', '1.5', '-1'])
    assert.throws(
      () => portBase({ AJNA_PORT_BASE: text }),
      error => isAjnaError(error, PORTS_FILE_INVALID),
    )
})

test('finds listeners, not connections, in the kernel’s table', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 0100007F:2384 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0
   2: 0100007F:2385 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0
`
  assert.deepEqual(listenersOn(table, 0x2384), ['111'])
  assert.deepEqual(listenersOn(table, 0x0001), [])
})

interface HeldPort extends AsyncDisposable {
  readonly port: number
}

async function holdPort(): Promise<HeldPort> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      if (server.listening) await once(server.close(), 'close')
    },
  }
}
