import { createHash } from 'node:crypto'
import { join } from 'node:path'

/** A file that must be there, readable by this process alone, before a link is told its path. */
export interface PemFile {
  readonly path: string
  readonly text: string
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([\sA-Za-z0-9+/=]*)-----END \1-----/g
const LINE = 64

/** PEM blocks by their labels, in order. In a configuration, a space may stand where a file has the end of a line. */
export function pemBlocks(text: string): readonly { readonly label: string; readonly text: string }[] {
  return [...text.matchAll(BLOCK)].map(([, label, body]) => {
    const lines = body!.replaceAll(/\s+/g, '').match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []
    return {
      label: label!,
      text: [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n'),
    }
  })
}

/** Named by what it holds: the same text is the same file, and a changed text another one. */
export function pemFile(directory: string, text: string): PemFile {
  const name = createHash('sha256').update(text).digest('hex').slice(0, 32)
  return { path: join(directory, `${name}.pem`), text }
}
