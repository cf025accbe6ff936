import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AjnaError } from '../errors/errors.ts'
import { SESSION_MISSING } from './errors.ts'

/**
 * One secret a server, kept in a file only its owner reads. A program sends it as a bearer token; a browser shows it once
 * to /login and from then on carries a cookie derived from it, so that what a browser stores is not the token, and both
 * stay valid when the server is killed and started again.
 */
export interface Session {
  /** 43 characters, base64url. */
  readonly token: string
  readonly cookieName: string
  readonly cookieValue: string
}

const TOKEN_BYTES = 32
const TOKEN_PATTERN = /^[\w-]{43}$/

export function sessionOf(token: string): Session {
  const cookieValue = createHmac('sha256', token).update('cookie').digest('base64url')
  // Cookies ignore ports: the suffix keeps two fleets on one machine from overwriting each other's.
  const suffix = createHash('sha256').update(token).digest('hex').slice(0, 8)
  return Object.freeze({ token, cookieName: `ajna_${suffix}`, cookieValue })
}

/** Reads the token file, or creates it (0600) when absent or malformed; two starters at once get the same token. */
export async function openSession(file: string): Promise<Session> {
  const present = await readToken(file)
  if (present !== undefined) return sessionOf(present)
  await mkdir(dirname(file), { recursive: true })
  await rm(file, { force: true })
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  await writeFile(draft, randomBytes(TOKEN_BYTES).toString('base64url'), { mode: 0o600, flag: 'wx' })
  try {
    await link(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
  const token = await readToken(file)
  if (token === undefined) throw new Error(`${file} was replaced by something that is not a session token`)
  return sessionOf(token)
}

/**
 * The session of a server that runs: its token is never made here, for the server would not know it.
 *
 * @throws AjnaError SESSION_MISSING
 */
export async function readSession(file: string): Promise<Session> {
  const token = await readToken(file)
  if (token === undefined) throw new AjnaError(SESSION_MISSING, `${file} holds no token`)
  return sessionOf(token)
}

async function readToken(file: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    if (!TOKEN_PATTERN.test(text)) return undefined
    await chmod(file, 0o600)
    return text
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Compares without telling by its duration how much was right. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
