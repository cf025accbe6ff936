import { errorKind } from '../errors/errors.ts'

export const TLS_CA_MISSING = errorKind(
  'TLS_CA_MISSING',
  'The certificate store has no certificate authority.',
  'Start the fleet once (it makes one), or point at the directory that holds ca.pem and ca.key.',
)
export const TLS_CA_UNUSABLE = errorKind(
  'TLS_CA_UNUSABLE',
  "The certificate authority's certificate and key cannot be used.",
  'Restore ca.pem and ca.key from a backup. Without one, the whole store must be made anew and every broker and client restarted.',
)
export const TLS_CERT_MISSING = errorKind(
  'TLS_CERT_MISSING',
  'There is no certificate of that principal in the store.',
  'Declare the principal in the fleet file and apply it; its certificate is issued then.',
)
export const TLS_CERT_UNREADABLE = errorKind(
  'TLS_CERT_UNREADABLE',
  "A principal's certificate file is not what it should be.",
  'Issue it anew: renew the certificate of that principal.',
)
export const TLS_CERT_MISMATCH = errorKind(
  'TLS_CERT_MISMATCH',
  'A certificate does not belong to its key, its principal, or this certificate authority.',
  'Issue it anew: renew the certificate of that principal.',
)
export const TLS_CERT_EXPIRED = errorKind(
  'TLS_CERT_EXPIRED',
  'A certificate is not valid at this time.',
  'Renew it; if it should be valid now, check the clock of this machine.',
)
export const TLS_PRINCIPAL_INVALID = errorKind(
  'TLS_PRINCIPAL_INVALID',
  'A name cannot be used as a principal.',
  'Use letters, digits, dots, dashes and underscores, at most 64, beginning with a letter or digit.',
)
