import { AjnaError } from '../errors/errors.ts'
import { HTTP_HOST_REFUSED, HTTP_ORIGIN_REFUSED, HTTP_UNAUTHENTICATED } from './errors.ts'
import { type Session, sameSecret } from './session.ts'

/** What the guard needs to know of a request. Header names in lower case, as Node gives them. */
export interface GuardedRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Readable without a session: the console's own files, which hold nothing of the fleet's. */
  readonly open: boolean
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Who may come in. */
export interface Door {
  readonly session: Session
  /** `session`: who holds it. `machine`: everyone on this machine, as long as no browser's page from elsewhere asks. */
  readonly access: 'session' | 'machine'
  /** With this user name the session's token is taken as a password too (RFC 7617), for clients that know no other way. */
  readonly basicUser?: string
}

/**
 * The one rule for who may ask what. Returns the refusal, or undefined when the request may pass.
 *
 * The Host check stops DNS rebinding (a foreign name that resolves to 127.0.0.1); the origin check stops other pages,
 * those on another port of this machine included, which browsers call same-site.
 */
export function refusalOf(
  request: GuardedRequest,
  door: Door,
  hosts: ReadonlySet<string>,
): AjnaError | undefined {
  return (
    refuseHost(request, hosts) ??
    (request.open && SAFE_METHODS.has(request.method)
      ? undefined
      : (refuseOrigin(request, door) ?? refuseSession(request, door)))
  )
}

function header(request: GuardedRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : value?.[0]
}

function refuseHost(request: GuardedRequest, hosts: ReadonlySet<string>): AjnaError | undefined {
  const host = header(request, 'host')?.toLowerCase()
  if (host !== undefined && hosts.has(host)) return undefined
  return new AjnaError(HTTP_HOST_REFUSED, `host ${quoted(host)} is not served here`, {
    details: { found: host ?? null, allowed: [...hosts] },
  })
}

function refuseOrigin(request: GuardedRequest, door: Door): AjnaError | undefined {
  const own = `http://${header(request, 'host')?.toLowerCase()}`
  const origin = header(request, 'origin')?.toLowerCase()
  const site = header(request, 'sec-fetch-site')
  const refuse = (found: string): AjnaError =>
    new AjnaError(HTTP_ORIGIN_REFUSED, `a request from ${found} is refused`, {
      details: { found, allowed: own },
    })
  if (origin !== undefined && origin !== own) return refuse(quoted(origin))
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return refuse(`a ${quoted(site)} page`)
  // A browser always says where an act comes from; a cookie without that is not from the console.
  const acts = !SAFE_METHODS.has(request.method)
  const byCookie = hasCookie(request, door.session) && !hasToken(request, door)
  if (acts && origin === undefined && site === undefined && byCookie) return refuse('an unnamed origin')
  return undefined
}

function refuseSession(request: GuardedRequest, door: Door): AjnaError | undefined {
  const { session, access } = door
  if (access === 'machine' || hasToken(request, door) || hasCookie(request, session)) return undefined
  const given =
    header(request, 'authorization') !== undefined || header(request, 'cookie')?.includes(session.cookieName)
  return new AjnaError(
    HTTP_UNAUTHENTICATED,
    given ? 'the session is not valid' : 'the request carries no session',
  )
}

function hasToken(request: GuardedRequest, { session, basicUser }: Door): boolean {
  const given = header(request, 'authorization') ?? ''
  const bearer = /^Bearer ([\w-]{1,128})$/.exec(given)
  if (bearer !== null) return sameSecret(bearer[1]!, session.token)
  const basic = /^Basic ([\w+/=-]{1,512})$/.exec(given)
  if (basic === null || basicUser === undefined) return false
  return sameSecret(Buffer.from(basic[1]!, 'base64').toString(), `${basicUser}:${session.token}`)
}

function hasCookie(request: GuardedRequest, session: Session): boolean {
  for (const pair of (header(request, 'cookie') ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === session.cookieName) {
      return sameSecret(pair.slice(at + 1).trim(), session.cookieValue)
    }
  }
  return false
}

function quoted(text: string | undefined): string {
  return text === undefined ? '(none)' : JSON.stringify(text.slice(0, 200))
}
