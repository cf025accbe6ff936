import { join } from 'node:path'

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

export function storePaths(pki: string, principal: string): StorePaths {
  const at = (file: string): string => join(pki, principal, file)
  return { ca: caPaths(pki).cert, cert: at('cert.pem'), key: at('key.pem'), store: at('store.pem') }
}
