import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AjnaError, describeError } from '../errors/errors.ts'
import type { TlsIdentity } from '../wire/contract.ts'
import {
  TLS_CA_MISSING,
  TLS_CERT_EXPIRED,
  TLS_CERT_MISMATCH,
  TLS_CERT_MISSING,
  TLS_CERT_UNREADABLE,
  TLS_PRINCIPAL_INVALID,
} from './errors.ts'
import { pemBlocks, readIfThere } from './files.ts'

/** Where a principal's certificate lives in the store: `ca.pem`, `ca.key`, `<principal>/{cert.pem,key.pem,store.pem}`. */
export interface StorePaths {
  /** The CA's certificate: what peers are checked against. */
  readonly ca: string
  /** The certificate, and the CA's after it. */
  readonly cert: string
  /** PKCS#8, mode 0600. */
  readonly key: string
  /** Key and certificate chain in one file, as Kafka's PEM key store wants them, mode 0600. */
  readonly store: string
}

export const caPaths = (pki: string): { readonly cert: string; readonly key: string } => ({
  cert: join(pki, 'ca.pem'),
  key: join(pki, 'ca.key'),
})

/** @throws AjnaError TLS_PRINCIPAL_INVALID: a principal names a directory, and a part of a distinguished name */
export function storePaths(pki: string, principal: string): StorePaths {
  checkPrincipal(principal)
  const at = (file: string): string => join(pki, principal, file)
  return { ca: caPaths(pki).cert, cert: at('cert.pem'), key: at('key.pem'), store: at('store.pem') }
}

export function checkPrincipal(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
    throw new AjnaError(TLS_PRINCIPAL_INVALID, `${JSON.stringify(name)} cannot name a principal`)
}

/** What a certificate in the store says, checked against its key, its principal and the authority. */
export interface StoredCertificate {
  readonly principal: string
  readonly site: string
  readonly dnsNames: readonly string[]
  readonly addresses: readonly string[]
  /** Ms since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  readonly identity: TlsIdentity
}

/**
 * A principal's certificate and key, ready to connect or serve with.
 *
 * @param now ms since the epoch
 * @throws AjnaError TLS_CA_MISSING, TLS_CERT_MISSING, TLS_CERT_UNREADABLE, TLS_CERT_MISMATCH, TLS_CERT_EXPIRED
 */
export async function identity(pki: string, principal: string, now = Date.now()): Promise<TlsIdentity> {
  const stored = await readCertificate(pki, principal)
  if (now < stored.notBefore || now >= stored.notAfter) {
    const [word, when] = now < stored.notBefore ? ['begins', stored.notBefore] : ['ended', stored.notAfter]
    throw new AjnaError(
      TLS_CERT_EXPIRED,
      `the certificate of ${principal} is not valid now: it ${word} ${new Date(when).toISOString()}`,
      { details: { principal, notBefore: stored.notBefore, notAfter: stored.notAfter } },
    )
  }
  return stored.identity
}

/**
 * Reads and checks a certificate, whether or not it is valid now.
 *
 * @throws AjnaError TLS_CA_MISSING, TLS_CERT_MISSING, TLS_CERT_UNREADABLE, TLS_CERT_MISMATCH
 */
export async function readCertificate(pki: string, principal: string): Promise<StoredCertificate> {
  const paths = storePaths(pki, principal)
  const [ca, store] = await Promise.all([readIfThere(paths.ca), readIfThere(paths.store)])
  if (ca === undefined) throw new AjnaError(TLS_CA_MISSING, `there is no ${paths.ca}`)
  if (store === undefined)
    throw new AjnaError(TLS_CERT_MISSING, `there is no certificate of ${principal}: no ${paths.store}`)
  const blocks = pemBlocks(store)
  const key = blocks.find(({ label }) => label === 'PRIVATE KEY')?.pem
  const chain = blocks.filter(({ label }) => label === 'CERTIFICATE').map(({ pem }) => pem)
  const [leaf] = chain
  if (key === undefined || leaf === undefined) {
    const what = key === undefined ? 'a private key' : 'a certificate'
    throw new AjnaError(TLS_CERT_UNREADABLE, `${paths.store} holds no ${what.slice(2)} in PEM`)
  }
  const certificate = parsed(paths.store, () => new X509Certificate(leaf))
  const authority = parsed(paths.ca, () => new X509Certificate(ca))
  const ownKey = parsed(paths.store, () => createPublicKey(createPrivateKey(key)))
  const reason = mismatch(certificate, authority, ownKey.equals(certificate.publicKey), principal)
  if (reason !== undefined)
    throw new AjnaError(TLS_CERT_MISMATCH, `${paths.store}: ${reason}`, { details: { principal } })
  return {
    principal,
    site: subjectField(certificate, 'OU') ?? '',
    ...alternativeNames(certificate),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    identity: { ca, cert: chain.join(''), key },
  }
}

function parsed<T>(file: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw new AjnaError(TLS_CERT_UNREADABLE, `${file} cannot be read (${describeError(cause)})`, { cause })
  }
}

function mismatch(
  certificate: X509Certificate,
  authority: X509Certificate,
  keyFits: boolean,
  principal: string,
): string | undefined {
  if (!keyFits) return 'the certificate is not that of the key beside it'
  const holder = subjectField(certificate, 'CN')
  if (holder !== principal) return `the certificate is that of ${holder ?? 'nobody'}, not of ${principal}`
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey))
    return 'the certificate was not issued by the authority of this store'
  return undefined
}

function subjectField(certificate: X509Certificate, field: string): string | undefined {
  const line = certificate.subject.split('\n').find(part => part.startsWith(`${field}=`))
  return line?.slice(field.length + 1)
}

function alternativeNames(certificate: X509Certificate): { dnsNames: string[]; addresses: string[] } {
  const entries = (certificate.subjectAltName ?? '').split(', ')
  const having = (prefix: string): string[] =>
    entries.filter(entry => entry.startsWith(prefix)).map(entry => entry.slice(prefix.length))
  return { dnsNames: having('DNS:'), addresses: having('IP Address:') }
}

/** Every principal the store has a directory of, sorted. */
export async function principalsOf(pki: string): Promise<readonly string[]> {
  const entries = await readdir(pki, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return entries
    .filter(entry => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(entry => entry.name)
    .sort()
}
