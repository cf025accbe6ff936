/** Signatures as Standard Webhooks 1.0.0 has them: HMAC-SHA256 over `{id}.{timestamp}.{payload}`, by each secret. */
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { WEBHOOK_SECRET_BAD } from './errors.ts'

const PREFIX = 'whsec_'
const LEAST_BYTES = 24
const MOST_BYTES = 64

/**
 * The secrets that a file holds, one a line; read anew each time, so that they may be changed.
 *
 * @throws AjnaError WEBHOOK_SECRET_BAD; nothing of a secret is in its message
 */
export async function readSecrets(file: string): Promise<readonly Buffer[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new AjnaError(WEBHOOK_SECRET_BAD, `${file} cannot be read`, { cause })
  }
  const secrets = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .map((line, index) => secretOf(line, `${file}, line ${index + 1}`))
  if (secrets.length === 0) throw new AjnaError(WEBHOOK_SECRET_BAD, `${file} is empty`)
  return secrets
}

function secretOf(line: string, where: string): Buffer {
  const key = line.startsWith(PREFIX) ? Buffer.from(line.slice(PREFIX.length), 'base64') : Buffer.alloc(0)
  if (key.length < LEAST_BYTES || key.length > MOST_BYTES)
    throw new AjnaError(
      WEBHOOK_SECRET_BAD,
      `${where} is no ${PREFIX} and ${LEAST_BYTES} to ${MOST_BYTES} bytes of base64`,
    )
  return key
}

/** The `webhook-` headers of a payload. @param atMs of this attempt, ms since the epoch */
export function signed(
  secrets: readonly Buffer[],
  id: string,
  atMs: number,
  payload: string,
): Readonly<Record<string, string>> {
  const timestamp = Math.floor(atMs / 1_000)
  const content = `${id}.${timestamp}.${payload}`
  const signatures = secrets.map(
    secret => `v1,${createHmac('sha256', secret).update(content).digest('base64')}`,
  )
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  }
}
