import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect, createServer } from 'node:tls'
import { type ErrorKind, isAjnaError } from '../errors/errors.ts'
import { temporaryFolder } from '../process/testing.ts'
import type { TlsIdentity } from '../wire/contract.ts'
import { type Authority, ensureAuthority, issueCertificate, openAuthority } from './authority.ts'
import {
  TLS_CA_MISSING,
  TLS_CA_UNUSABLE,
  TLS_CERT_EXPIRED,
  TLS_CERT_MISMATCH,
  TLS_CERT_MISSING,
  TLS_CERT_UNREADABLE,
  TLS_PRINCIPAL_INVALID,
} from './errors.ts'
import { identityOfFiles } from './identity-files.ts'
import { ensureCertificate, inspectStore, renew } from './renew.ts'
import { caPaths, identity, readCertificate, storePaths } from './store.ts'

const dayMs = 86_400_000

async function newAuthority(t: TestContext, now?: () => number): Promise<Authority> {
  return ensureAuthority(join(await temporaryFolder(t), 'pki'), now === undefined ? {} : { now })
}

test('two parties of one authority recognise each other by name, both ways', async t => {
  const authority = await newAuthority(t)
  await issueCertificate(authority, {
    principal: 'kafka-edge-1',
    site: 'edge',
    dnsNames: ['b1.edge.example'],
  })
  await issueCertificate(authority, { principal: 'agent-edge', site: 'edge' })
  const peers = await handshake(
    await identity(authority.pki, 'kafka-edge-1'),
    await identity(authority.pki, 'agent-edge'),
    'b1.edge.example',
  )
  assert.deepEqual(peers, { server: 'kafka-edge-1', client: 'agent-edge' })
})

test('a certificate of another authority is refused', async t => {
  const [ours, theirs] = [await newAuthority(t), await newAuthority(t)]
  await issueCertificate(ours, { principal: 'kafka-edge-1', site: 'edge' })
  await issueCertificate(theirs, { principal: 'agent-edge', site: 'edge' })
  const server = await identity(ours.pki, 'kafka-edge-1')
  const stranger = { ...(await identity(theirs.pki, 'agent-edge')), ca: server.ca }
  await assert.rejects(handshake(server, stranger, 'localhost'))
})

test('keys are readable by their owner alone', async t => {
  const authority = await newAuthority(t)
  await issueCertificate(authority, { principal: 'admin', site: 'edge' })
  const paths = storePaths(authority.pki, 'admin')
  for (const file of [caPaths(authority.pki).key, paths.key, paths.store])
    assert.equal((await stat(file)).mode & 0o777, 0o600, file)
  for (const folder of [authority.pki, join(authority.pki, 'admin')])
    assert.equal((await stat(folder)).mode & 0o777, 0o700, folder)
  assert.deepEqual((await readdir(join(authority.pki, 'admin'))).sort(), ['cert.pem', 'key.pem', 'store.pem'])
})

test('the certificate says principal, site and names, and may serve and call', async t => {
  const authority = await newAuthority(t)
  await issueCertificate(authority, {
    principal: 'p',
    site: 'hub',
    dnsNames: ['x.hub'],
    addresses: ['10.0.0.7'],
  })
  const { identity: ours, ...rest } = await readCertificate(authority.pki, 'p')
  assert.deepEqual(
    { ...rest, notBefore: 0, notAfter: 0 },
    {
      principal: 'p',
      site: 'hub',
      dnsNames: ['localhost', 'x.hub'],
      addresses: ['127.0.0.1', '10.0.0.7'],
      notBefore: 0,
      notAfter: 0,
    },
  )
  const certificate = new X509Certificate(ours.cert)
  // Kafka prints the subject in reverse (RFC 2253): CN=p,OU=hub,O=ajna, which ssl.principal.mapping.rules expects.
  assert.equal(certificate.subject, 'O=ajna\nOU=hub\nCN=p')
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  assert.match(ours.key, /^-----BEGIN PRIVATE KEY-----/)
})

test('an authority is made once, whoever else makes it at the same time', async t => {
  const pki = join(await temporaryFolder(t), 'pki')
  const all = await Promise.all(Array.from({ length: 4 }, () => ensureAuthority(pki)))
  assert.equal(new Set(all.map(({ certificate }) => certificate)).size, 1)
})

test('a first start cut off before the authority was whole is begun again', async t => {
  const pki = join(await temporaryFolder(t), 'pki')
  await mkdir(pki)
  await writeFile(caPaths(pki).key, 'half a key')
  await issueCertificate(await ensureAuthority(pki), { principal: 'p', site: 's' })
  await identity(pki, 'p')
})

test('what is asked for again is left alone; what changed, expires or broke is issued anew', async t => {
  let now = Date.now()
  const authority = await newAuthority(t, () => now)
  const request = { principal: 'p', site: 's', dnsNames: ['a.s'] }
  const steps: [
    what: string,
    before: () => Promise<unknown> | undefined,
    ask: typeof request,
    issued: boolean,
  ][] = [
    ['first', () => undefined, request, true],
    ['again', () => undefined, request, false],
    ['another name', () => undefined, { ...request, dnsNames: ['b.s'] }, true],
    ['another site', () => undefined, { ...request, dnsNames: ['b.s'], site: 'other' }, true],
    ['broken', () => writeFile(storePaths(authority.pki, 'p').store, 'garbage'), request, true],
    ['a month before its end', async () => (now += 336 * dayMs), request, true],
    ['fresh', () => undefined, request, false],
  ]
  for (const [what, before, ask, issued] of steps) {
    await before()
    assert.equal(await ensureCertificate(authority, ask), issued, what)
  }
})

test('renewal keeps who and where, changes the key, and touches only what is due', async t => {
  let now = Date.now()
  const authority = await newAuthority(t, () => now)
  await issueCertificate(authority, { principal: 'short', site: 's', dnsNames: ['x.s'], validDays: 20 })
  await issueCertificate(authority, { principal: 'long', site: 's' })
  await issueCertificate(authority, { principal: 'broken', site: 's' })
  await writeFile(storePaths(authority.pki, 'broken').store, 'garbage')
  const before = await readCertificate(authority.pki, 'short')
  const kinds = [...(await inspectStore(authority.pki, now))].map(([name, state]) => [name, state.kind])
  assert.deepEqual(kinds, [
    ['broken', 'broken'],
    ['long', 'valid'],
    ['short', 'expiring'],
  ])

  now += 30 * dayMs
  await assert.rejects(identity(authority.pki, 'short', now), error => isAjnaError(error, TLS_CERT_EXPIRED))
  const renewals = await renew(authority, 'expiring')
  assert.deepEqual(
    renewals.map(({ principal, renewed }) => [principal, renewed]),
    [
      ['broken', false],
      ['long', false],
      ['short', true],
    ],
  )
  const after = await readCertificate(authority.pki, 'short')
  assert.deepEqual([after.site, after.dnsNames], [before.site, before.dnsNames])
  assert.notEqual(after.identity.key, before.identity.key)
  assert.ok(after.notAfter > now + 300 * dayMs)

  assert.equal((await renew(authority, { principal: 'long' }))[0]?.renewed, true)
  assert.equal((await renew(authority, 'all')).filter(({ renewed }) => renewed).length, 2)
})

test('a certificate never outlives its authority', async t => {
  const authority = await newAuthority(t)
  await issueCertificate(authority, { principal: 'p', site: 's', validDays: 100_000 })
  const ends = new X509Certificate(authority.certificate).validToDate.getTime()
  assert.equal((await readCertificate(authority.pki, 'p')).notAfter, ends)
})

const faults: readonly [what: string, kind: ErrorKind, damage: (pki: string) => Promise<unknown>][] = [
  ['no store at all', TLS_CA_MISSING, pki => rm(pki, { recursive: true })],
  ['no certificate of that principal', TLS_CERT_MISSING, pki => rm(join(pki, 'p'), { recursive: true })],
  ['an empty file', TLS_CERT_UNREADABLE, pki => writeFile(storePaths(pki, 'p').store, '')],
  [
    'random bytes',
    TLS_CERT_UNREADABLE,
    pki => writeFile(storePaths(pki, 'p').store, Buffer.from([0, 255, 128, 7])),
  ],
  ['a certificate without its key', TLS_CERT_UNREADABLE, pki => swap(pki, 'p', { key: '' })],
  ['a key without its certificate', TLS_CERT_UNREADABLE, pki => swap(pki, 'p', { cert: '' })],
  [
    'PEM around nonsense',
    TLS_CERT_UNREADABLE,
    pki => swap(pki, 'p', { cert: pem('CERTIFICATE', 'bm9uc2Vuc2U=') }),
  ],
  [
    'a key that is nonsense',
    TLS_CERT_UNREADABLE,
    pki => swap(pki, 'p', { key: pem('PRIVATE KEY', 'bm9uc2Vuc2U=') }),
  ],
  ["another's key", TLS_CERT_MISMATCH, async pki => swap(pki, 'p', { key: (await identity(pki, 'q')).key })],
  ["another's certificate and key", TLS_CERT_MISMATCH, async pki => swap(pki, 'p', await identity(pki, 'q'))],
  [
    'a certificate of another authority',
    TLS_CERT_MISMATCH,
    async pki => {
      const other = await ensureAuthority(`${pki}-other`)
      await issueCertificate(other, { principal: 'p', site: 's' })
      await swap(pki, 'p', await identity(other.pki, 'p'))
    },
  ],
]

for (const [what, kind, damage] of faults)
  test(`${what} is ${kind.code}`, async t => {
    const { pki } = await pairOf(t)
    await damage(pki)
    await assert.rejects(identity(pki, 'p'), error => isAjnaError(error, kind) && error.remedy.length > 20)
  })

const authorityFaults: readonly [what: string, kind: ErrorKind, damage: (pki: string) => Promise<unknown>][] =
  [
    ['absent', TLS_CA_MISSING, pki => rm(caPaths(pki).cert)],
    ['without its key', TLS_CA_UNUSABLE, pki => rm(caPaths(pki).key)],
    ['with a key that is nonsense', TLS_CA_UNUSABLE, pki => writeFile(caPaths(pki).key, 'nonsense')],
    ['with a certificate that is nonsense', TLS_CA_UNUSABLE, pki => writeFile(caPaths(pki).cert, 'nonsense')],
    [
      "with another's key",
      TLS_CA_UNUSABLE,
      async pki => writeFile(caPaths(pki).key, (await identity(pki, 'p')).key),
    ],
  ]

for (const [what, kind, damage] of authorityFaults)
  test(`an authority ${what} is ${kind.code}`, async t => {
    const { pki } = await pairOf(t)
    await damage(pki)
    await assert.rejects(openAuthority(pki), error => isAjnaError(error, kind))
  })

for (const name of ['', '..', 'a/b', 'a,OU=x', 'a b', 'ä', '-a', 'a'.repeat(65)])
  test(`${JSON.stringify(name)} is no principal`, async t => {
    const authority = await newAuthority(t)
    const refused = (error: unknown): boolean => isAjnaError(error, TLS_PRINCIPAL_INVALID)
    await assert.rejects(issueCertificate(authority, { principal: name, site: 's' }), refused)
    await assert.rejects(identity(authority.pki, name), refused)
  })

async function pairOf(t: TestContext): Promise<Authority> {
  const authority = await newAuthority(t)
  for (const principal of ['p', 'q']) await issueCertificate(authority, { principal, site: 's' })
  return authority
}

async function swap(pki: string, principal: string, part: { key?: string; cert?: string }): Promise<void> {
  const now = await identity(pki, principal)
  await writeFile(storePaths(pki, principal).store, (part.key ?? now.key) + (part.cert ?? now.cert))
}

const pem = (label: string, base64: string): string =>
  `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`

/** Answers whom each side saw. */
async function handshake(
  server: TlsIdentity,
  client: TlsIdentity,
  name: string,
): Promise<{ server: string; client: string }> {
  const listener = createServer({ ...server, requestCert: true, rejectUnauthorized: true })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'secureConnection')
  const refused = once(listener, 'tlsClientError').then(([error]) => Promise.reject(error))
  const { port } = listener.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, servername: name, ...client })
  const failed = once(socket, 'close').then(() => Promise.reject(new Error('the server hung up')))
  try {
    await Promise.race([once(socket, 'secureConnect'), refused, failed])
    const [peer] = await Promise.race([accepted, refused, failed])
    return {
      server: String(socket.getPeerCertificate().subject.CN),
      client: String(peer.getPeerCertificate().subject.CN),
    }
  } finally {
    refused.catch(() => {})
    failed.catch(() => {})
    socket.destroy()
    listener.close()
  }
}

test('files that somebody else keeps are an identity as they are now, or what is the matter with which is said', async t => {
  const authority = await newAuthority(t)
  await issueCertificate(authority, { principal: 'admin', site: 'edge' })
  await issueCertificate(authority, { principal: 'other', site: 'edge' })
  const { ca, cert, key } = storePaths(authority.pki, 'admin')
  const files = { ca, cert, key }
  const { identity: stored } = await readCertificate(authority.pki, 'admin')
  assert.equal((await identityOfFiles(files)).key.trim(), stored.key.trim())
  const refused = async (change: Partial<typeof files>, kind: ErrorKind, message: RegExp, now?: number) =>
    assert.rejects(identityOfFiles({ ...files, ...change }, now), error => {
      assert.ok(isAjnaError(error, kind), String(error))
      assert.match(error.message, message)
      return true
    })
  const garbage = join(authority.pki, 'garbage.pem')
  await writeFile(garbage, 'no certificate')
  for (const which of ['ca', 'cert', 'key'] as const) {
    await refused({ [which]: `${garbage}.not` }, TLS_CERT_MISSING, /there is no .*garbage\.pem\.not/)
    await refused({ [which]: garbage }, TLS_CERT_UNREADABLE, /garbage\.pem cannot be used/)
  }
  await refused({ key: storePaths(authority.pki, 'other').key }, TLS_CERT_MISMATCH, /not the certificate of/)
  await refused({}, TLS_CERT_EXPIRED, /it ended 2/, Date.now() + 400 * dayMs)
  await refused({}, TLS_CERT_EXPIRED, /it begins 2/, Date.now() - dayMs)
})
