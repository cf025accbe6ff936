import { AjnaError, describeError, isAjnaError } from '../errors/errors.ts'
import { type Authority, type CertificateRequest, issueCertificate } from './authority.ts'
import { TLS_CERT_MISMATCH, TLS_CERT_MISSING, TLS_CERT_UNREADABLE } from './errors.ts'
import { principalsOf, readCertificate, type StoredCertificate } from './store.ts'

const dayMs = 86_400_000

/** A certificate that ends sooner than this is renewed. */
export const renewWithinDays = 30

export type CertificateState =
  | {
      readonly kind: 'valid' | 'expiring' | 'expired' | 'not-yet-valid'
      readonly certificate: StoredCertificate
    }
  | { readonly kind: 'broken'; readonly problem: string }

/** @param now ms since the epoch */
export function stateOf(certificate: StoredCertificate, now: number): CertificateState {
  if (now >= certificate.notAfter) return { kind: 'expired', certificate }
  if (now < certificate.notBefore) return { kind: 'not-yet-valid', certificate }
  const soon = certificate.notAfter - now < renewWithinDays * dayMs
  return { kind: soon ? 'expiring' : 'valid', certificate }
}

/** How it stands with each certificate in the store, by principal. */
export async function inspectStore(
  pki: string,
  now = Date.now(),
): Promise<ReadonlyMap<string, CertificateState>> {
  const states = new Map<string, CertificateState>()
  for (const principal of await principalsOf(pki)) states.set(principal, await inspect(pki, principal, now))
  return states
}

async function inspect(pki: string, principal: string, now: number): Promise<CertificateState> {
  try {
    return stateOf(await readCertificate(pki, principal), now)
  } catch (error) {
    if (error instanceof AjnaError) return { kind: 'broken', problem: describeError(error) }
    throw error
  }
}

/**
 * Sees to it that the store holds a good certificate that says what is asked: issues it when it is absent, broken,
 * about to expire, or says something else.
 *
 * @returns whether one was issued
 */
export async function ensureCertificate(authority: Authority, request: CertificateRequest): Promise<boolean> {
  const stored = await readCertificate(authority.pki, request.principal).catch((error: unknown) => {
    if (isAjnaError(error, TLS_CERT_MISSING, TLS_CERT_UNREADABLE, TLS_CERT_MISMATCH)) return undefined
    throw error
  })
  if (
    stored !== undefined &&
    saysWhatIsAsked(stored, request) &&
    stateOf(stored, authority.now()).kind === 'valid'
  )
    return false
  await issueCertificate(authority, request)
  return true
}

function saysWhatIsAsked(stored: StoredCertificate, request: CertificateRequest): boolean {
  const has = (list: readonly string[], wanted: readonly string[] = []): boolean =>
    wanted.every(name => list.includes(name))
  return (
    stored.site === request.site &&
    has(stored.dnsNames, request.dnsNames) &&
    has(stored.addresses, request.addresses)
  )
}

export type Renewal =
  | { readonly principal: string; readonly renewed: true; readonly notAfter: number }
  | { readonly principal: string; readonly renewed: false; readonly reason: string }

/**
 * Issues certificates anew, with fresh keys, for the same principals, sites and names.
 *
 * @param which `expiring`: those that end within {@link renewWithinDays} days or have ended; `all`: every one; or one
 * principal
 * @returns one entry per certificate looked at; a broken one cannot say for whom it was, and is left as it is
 */
export async function renew(
  authority: Authority,
  which: 'expiring' | 'all' | { readonly principal: string },
): Promise<readonly Renewal[]> {
  const principals = typeof which === 'object' ? [which.principal] : await principalsOf(authority.pki)
  const renewals: Renewal[] = []
  for (const principal of principals) {
    const state = await inspect(authority.pki, principal, authority.now())
    if (state.kind === 'broken') renewals.push({ principal, renewed: false, reason: state.problem })
    else if (which === 'expiring' && state.kind === 'valid')
      renewals.push({ principal, renewed: false, reason: 'not due' })
    else renewals.push(await reissue(authority, state.certificate))
  }
  return renewals
}

async function reissue(authority: Authority, old: StoredCertificate): Promise<Renewal> {
  const { principal, site, dnsNames, addresses } = old
  await issueCertificate(authority, { principal, site, dnsNames, addresses })
  return { principal, renewed: true, notAfter: (await readCertificate(authority.pki, principal)).notAfter }
}
