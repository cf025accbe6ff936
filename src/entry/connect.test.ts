import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { leastConfigs } from '../../test/mirror/connector-configs.ts'
import { memoryRegistry } from '../../test/mirror/memory-registry.ts'
import { sessionOf } from '../foundation/http/session.ts'
import { silentLogger } from '../foundation/log/log.ts'
import { temporaryFolder } from '../foundation/process/testing.ts'
import { MIRUS_SOURCE } from '../operations/mirror/connect/config/mirus.ts'
import type { LinkRegistry } from '../operations/mirror/registry.ts'
import { type ConnectFile, openConnectServer } from './connect.ts'
import { homeAt } from './home.ts'

const session = sessionOf('t'.repeat(43))
const bearer = { authorization: `Bearer ${session.token}` }
const basic = (password: string) => ({ authorization: `Basic ${btoa(`ajna:${password}`)}` })

async function serve(
  t: TestContext,
  access: 'token' | 'machine',
  registry: () => LinkRegistry | undefined,
): Promise<{ readonly connectors: string; readonly root: string }> {
  const root = await temporaryFolder(t)
  const file = {
    fleet: {
      name: 'test',
      topics: [{ name: 'ajna.mirror.links', cluster: 'hub' }],
      connect: { access, port: null, target: 'hub' },
    },
    placed: [{ name: 'hub', clusterId: 'id-of-hub' }],
    ports: { connect: 0 },
  } satisfies ConnectFile
  const server = await openConnectServer({ home: homeAt(root), file, session, log: silentLogger, registry })
  t.after(() => server.close())
  return { connectors: `${server.address}/connectors`, root }
}

test('asks for the token, as a bearer or as a password, unless it is open to the machine', async t => {
  const registry = memoryRegistry()
  const guarded = await serve(t, 'token', () => registry)
  const status = async (url: string, headers: Record<string, string> = {}) =>
    (await fetch(url, { headers })).status
  assert.equal(await status(guarded.connectors), 401)
  assert.equal(await status(guarded.connectors, basic('guess')), 401)
  assert.equal(await status(guarded.connectors, basic(session.token)), 200)
  assert.equal(await status(guarded.connectors, bearer), 200)
  const open = await serve(t, 'machine', () => registry)
  assert.equal(await status(open.connectors), 200)
  assert.equal(await status(open.connectors, { origin: 'http://evil.example' }), 403)
})

test('says 503, and what goes on all the same, while the links’ journal is not open', async t => {
  let registry: LinkRegistry | undefined
  const { connectors } = await serve(t, 'machine', () => registry)
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/l/status'],
    ['DELETE', '/l'],
  ] as const) {
    const answer = await fetch(connectors + path, { method })
    assert.equal(answer.status, 503)
    const body = (await answer.json()) as { error_code: number; message: string }
    assert.equal(body.error_code, 503)
    assert.match(body.message, /^CONNECT_UNAVAILABLE: .+ What is copied goes on\.$/)
  }
  registry = memoryRegistry()
  assert.deepEqual(await (await fetch(connectors)).json(), [])
  const root = (await (await fetch(new URL('/', connectors))).json()) as Record<string, string>
  assert.equal(root['kafka_cluster_id'], 'id-of-hub')
})

test('a key given as text lies in a file that only this process’s owner reads, before the link is put', async t => {
  const registry = memoryRegistry()
  const { connectors, root } = await serve(t, 'machine', () => registry)
  const pem = (label: string): string => `-----BEGIN ${label}-----\nc2VjcmV0\n-----END ${label}-----\n`
  const { 'destination.consumer.bootstrap.servers': _, ...least } = leastConfigs[MIRUS_SOURCE]!
  const answer = await fetch(`${connectors}/l/config`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...least,
      'consumer.security.protocol': 'SSL',
      'consumer.ssl.truststore.certificates': pem('CERTIFICATE'),
      'consumer.ssl.keystore.key': pem('PRIVATE KEY'),
      'consumer.ssl.keystore.certificate.chain': pem('CERTIFICATE'),
    }),
  })
  assert.equal(answer.status, 201, await answer.text())
  const { source, target } = registry.get('l')!.definition
  assert.deepEqual(target, { cluster: 'hub' })
  assert.ok('tls' in source && source.tls !== null)
  assert.ok(source.tls.key.startsWith(`${root}/mirror/pem/`))
  assert.equal(await readFile(source.tls.key, 'utf8'), pem('PRIVATE KEY') + pem('CERTIFICATE'))
  assert.equal(await readFile(source.tls.ca, 'utf8'), pem('CERTIFICATE'))
  assert.equal((await stat(source.tls.key)).mode & 0o777, 0o600)
})
