import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { AjnaError, describeError } from '../errors/errors.ts'
import type { TlsIdentity } from '../wire/contract.ts'
import { TLS_CERT_EXPIRED, TLS_CERT_MISMATCH, TLS_CERT_MISSING, TLS_CERT_UNREADABLE } from './errors.ts'
import { pemBlocks, readIfThere } from './files.ts'

/** Paths of PEM files that somebody else keeps: what peers are checked against, a certificate (chain), its key. */
export interface IdentityFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

const REMEDY = 'Put good PEM files there: they are read anew at each connection, nothing needs a restart.'

/**
 * The identity that files hold just now, ready to connect with. Whether the peer accepts it, only the peer knows.
 *
 * @param now ms since the epoch
 * @throws AjnaError TLS_CERT_MISSING, TLS_CERT_UNREADABLE, TLS_CERT_MISMATCH, TLS_CERT_EXPIRED, naming the file
 */
export async function identityOfFiles(files: IdentityFiles, now = Date.now()): Promise<TlsIdentity> {
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)])
  parsed(files.ca, () => certificatesIn(ca))
  const [leaf] = parsed(files.cert, () => certificatesIn(cert))
  const ownKey = parsed(files.key, () => createPublicKey(createPrivateKey(key)))
  if (!ownKey.equals(leaf!.publicKey))
    throw failure(TLS_CERT_MISMATCH, `${files.cert} is not the certificate of the key in ${files.key}`)
  const [begins, ends] = [leaf!.validFromDate, leaf!.validToDate]
  if (now < begins.getTime() || now >= ends.getTime()) {
    const when = now < begins.getTime() ? `begins ${begins.toISOString()}` : `ended ${ends.toISOString()}`
    throw failure(TLS_CERT_EXPIRED, `the certificate in ${files.cert} is not valid now: it ${when}`)
  }
  return { ca, cert, key }
}

async function read(file: string): Promise<string> {
  let text: string | undefined
  try {
    text = await readIfThere(file)
  } catch (cause) {
    throw failure(TLS_CERT_UNREADABLE, `${file} cannot be read`, cause)
  }
  if (text === undefined) throw failure(TLS_CERT_MISSING, `there is no ${file}`)
  return text
}

function certificatesIn(text: string): X509Certificate[] {
  const blocks = pemBlocks(text).filter(({ label }) => label === 'CERTIFICATE')
  if (blocks.length === 0) throw new Error('it holds no certificate in PEM')
  return blocks.map(({ pem }) => new X509Certificate(pem))
}

function parsed<T>(file: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw failure(TLS_CERT_UNREADABLE, `${file} cannot be used (${describeError(cause)})`)
  }
}

function failure(
  kind:
    | typeof TLS_CERT_UNREADABLE
    | typeof TLS_CERT_MISSING
    | typeof TLS_CERT_MISMATCH
    | typeof TLS_CERT_EXPIRED,
  message: string,
  cause?: unknown,
): AjnaError {
  return new AjnaError(kind, message, { cause, remedy: REMEDY })
}
