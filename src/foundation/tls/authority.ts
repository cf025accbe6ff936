import './reflect.ts'
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { AjnaError } from '../errors/errors.ts'
import { lockFile } from '../process/lock.ts'
import { TLS_CA_MISSING, TLS_CA_UNUSABLE } from './errors.ts'
import { pemBlocks, readIfThere, writePrivate } from './files.ts'
import { caPaths, checkPrincipal, storePaths } from './store.ts'

/** What a certificate is to say. */
export interface CertificateRequest {
  /** Becomes the common name (CN): how brokers know its holder. Unique in the fleet. */
  readonly principal: string
  /** Becomes the organisational unit (OU). */
  readonly site: string
  /** DNS names its holder serves under; beside them always localhost. */
  readonly dnsNames?: readonly string[]
  /** IP addresses its holder serves under; beside them always 127.0.0.1. */
  readonly addresses?: readonly string[]
  /** Default {@link certificateDays}. */
  readonly validDays?: number
}

/** Can sign certificates: holds the authority's private key. */
export interface Authority {
  readonly pki: string
  /** PEM. */
  readonly certificate: string
  readonly key: webcrypto.CryptoKey
  readonly publicKey: webcrypto.CryptoKey
  /** The time it works by, ms since the epoch. */
  readonly now: () => number
}

export const authorityDays = 3_650
export const certificateDays = 365

const dayMs = 86_400_000
/** A peer whose clock is a little behind must not find a fresh certificate not yet valid. */
const backdateMs = 3_600_000
const curve = { name: 'ECDSA', namedCurve: 'P-256' } as const
const signature = { name: 'ECDSA', hash: 'SHA-256' } as const

export interface AuthorityOptions {
  readonly now?: () => number
}

/**
 * The authority of a store, made when there is none yet. Callers in several processes may race: one makes it.
 *
 * @throws AjnaError TLS_CA_UNUSABLE
 */
export async function ensureAuthority(pki: string, options: AuthorityOptions = {}): Promise<Authority> {
  await mkdir(pki, { recursive: true, mode: 0o700 })
  await using _lock = await lockFile(join(pki, '.lock'), { wait: true })
  const paths = caPaths(pki)
  // The certificate is written last: a key alone is what a killed first start leaves.
  if ((await readIfThere(paths.cert)) === undefined) await makeAuthority(pki, options.now ?? Date.now)
  return openAuthority(pki, options)
}

/** @throws AjnaError TLS_CA_MISSING, TLS_CA_UNUSABLE */
export async function openAuthority(
  pki: string,
  { now = Date.now }: AuthorityOptions = {},
): Promise<Authority> {
  const paths = caPaths(pki)
  const [certificate, keyText] = await Promise.all([readIfThere(paths.cert), readIfThere(paths.key)])
  if (certificate === undefined) throw new AjnaError(TLS_CA_MISSING, `there is no ${paths.cert}`)
  if (keyText === undefined)
    throw new AjnaError(TLS_CA_UNUSABLE, `there is no ${paths.key} beside ${paths.cert}`)
  try {
    const parsed = new X509Certificate(certificate)
    const key = await importKey(keyText)
    const publicKey = await webcrypto.subtle.importKey(
      'spki',
      parsed.publicKey.export({ type: 'spki', format: 'der' }),
      curve,
      true,
      ['verify'],
    )
    const probe = randomBytes(32)
    const signed = await webcrypto.subtle.sign(signature, key, probe)
    if (!(await webcrypto.subtle.verify(signature, publicKey, signed, probe)))
      throw new Error('the key is not that of the certificate')
    if (now() >= parsed.validToDate.getTime())
      throw new Error(`it expired at ${parsed.validToDate.toISOString()}`)
    return { pki, certificate, key, publicKey, now }
  } catch (cause) {
    throw new AjnaError(TLS_CA_UNUSABLE, `the authority in ${pki} cannot be used`, { cause })
  }
}

async function makeAuthority(pki: string, now: () => number): Promise<void> {
  const keys = await generateKeys()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ O: ['ajna'] }, { CN: ['ajna certificate authority'] }],
    notBefore: new Date(now() - backdateMs),
    notAfter: new Date(now() + authorityDays * dayMs),
    signingAlgorithm: signature,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const paths = caPaths(pki)
  await writePrivate(paths.key, await exportKey(keys.privateKey))
  await writePrivate(paths.cert, `${certificate.toString('pem')}\n`)
}

/**
 * Issues a certificate with a fresh key and puts both into the store, in place of what was there.
 *
 * @throws AjnaError TLS_PRINCIPAL_INVALID
 */
export async function issueCertificate(authority: Authority, request: CertificateRequest): Promise<void> {
  const { principal, site } = request
  checkPrincipal(principal)
  checkPrincipal(site)
  const keys = await generateKeys()
  const begins = authority.now()
  const issuer = new X509Certificate(authority.certificate)
  const ends = Math.min(begins + (request.validDays ?? certificateDays) * dayMs, issuer.validToDate.getTime())
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ O: ['ajna'] }, { OU: [site] }, { CN: [principal] }],
    issuer: [{ O: ['ajna'] }, { CN: ['ajna certificate authority'] }],
    notBefore: new Date(begins - backdateMs),
    notAfter: new Date(ends),
    signingAlgorithm: signature,
    publicKey: keys.publicKey,
    signingKey: authority.key,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(alternativeNames(request)),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  })
  const key = await exportKey(keys.privateKey)
  const chain = `${certificate.toString('pem')}\n${authority.certificate}`
  const paths = storePaths(authority.pki, principal)
  // The store file is the truth, whole in one rename; the other two are copies for tools that want them apart.
  await writePrivate(paths.store, key + chain)
  await writePrivate(paths.key, key)
  await writePrivate(paths.cert, chain)
}

function alternativeNames(request: CertificateRequest): { type: 'dns' | 'ip'; value: string }[] {
  const names = new Set(['localhost', ...(request.dnsNames ?? [])])
  const addresses = new Set(['127.0.0.1', ...(request.addresses ?? [])])
  return [
    ...[...names].map(value => ({ type: 'dns' as const, value })),
    ...[...addresses].map(value => ({ type: 'ip' as const, value })),
  ]
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(curve, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>
}

/** PKCS#8 PEM, the only form Kafka reads. */
async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const base64 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${base64.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const block = pemBlocks(pem).find(({ label }) => label === 'PRIVATE KEY')
  if (block === undefined) throw new Error('the key file holds no PKCS#8 key')
  const der = Buffer.from(block.pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  return webcrypto.subtle.importKey('pkcs8', der, curve, false, ['sign'])
}

/** Positive and 127 bits, as RFC 5280 wants it at most 20 octets and unique. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}
