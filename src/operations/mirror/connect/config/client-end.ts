import { dirname, isAbsolute } from 'node:path'
import type { LinkEnd } from '../../definition.ts'
import type { Gathered } from './gathered.ts'
import { pemBlocks, pemFile } from './pem.ts'
import type { ConnectorConfig } from './reading.ts'
import { listOf } from './value.ts'

/** One side of a link out of the settings of a Kafka client. */

/** A client's setting, and the key it was given under. */
export interface GivenSetting {
  readonly key: string
  readonly text: string
}

/** Settings by their names without prefixes. */
export type ClientSettings = ReadonlyMap<string, GivenSetting>

/** Later prefixes win over earlier ones. */
export function clientSettings(config: ConnectorConfig, prefixes: readonly string[]): ClientSettings {
  const settings = new Map<string, GivenSetting>()
  for (const prefix of prefixes)
    for (const [key, text] of Object.entries(config))
      if (key.startsWith(prefix)) settings.set(key.slice(prefix.length), { key, text: text.trim() })
  return settings
}

export interface EndOptions {
  /** Where a key is reported that should be there and is not. */
  readonly prefix: string
  /** Where PEM texts are kept as files. */
  readonly pemDirectory: string
  /** Used when no addresses are given. */
  readonly otherwise: LinkEnd | null
  /** Whether files may be named; else only those that hold what was given as text. */
  readonly anyFile: boolean
}

/** Undefined: see the problems gathered. */
export function clientEnd(
  settings: ClientSettings,
  options: EndOptions,
  gathered: Gathered,
): LinkEnd | undefined {
  const before = gathered.problems.length
  const addresses = addressesOf(settings, options, gathered)
  const tls = addresses === undefined ? null : tlsOf(settings, options, gathered)
  if (gathered.problems.length > before) return undefined
  return addresses === undefined ? (options.otherwise ?? undefined) : { bootstrap: [...addresses], tls }
}

function addressesOf(
  settings: ClientSettings,
  { prefix, otherwise }: EndOptions,
  { problems }: Gathered,
): readonly string[] | undefined {
  const given = settings.get('bootstrap.servers')
  if (given === undefined || given.text === '') {
    if (otherwise === null)
      problems.push({
        key: given?.key ?? `${prefix}bootstrap.servers`,
        message: 'must be given: host:port, separated by commas',
      })
    return undefined
  }
  // Kafka's clients take SSL://host:port too, and look only at host and port.
  const addresses = listOf(given.text).map(each => each.replace(/^[A-Za-z_]+:\/\//, ''))
  const wrong = addresses.filter(each => !isAddress(each))
  if (wrong.length > 0)
    problems.push({ key: given.key, message: `${JSON.stringify(wrong[0]!.slice(0, 200))} is not host:port` })
  return addresses
}

function isAddress(text: string): boolean {
  const found = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([1-9]\d{0,4})$/.exec(text)
  return found !== null && Number(found[1]) <= 65_535
}

function tlsOf(
  settings: ClientSettings,
  options: EndOptions,
  gathered: Gathered,
): { ca: string; cert: string; key: string } | null {
  const protocol = settings.get('security.protocol')
  if (protocol === undefined) return null
  switch (protocol.text.toUpperCase()) {
    case 'PLAINTEXT':
      return null
    case 'SSL': {
      const ca = trustOf(settings, options, gathered)
      const own = keyOf(settings, options, gathered)
      return ca === undefined || own === undefined ? null : { ca, cert: own, key: own }
    }
    case 'SASL_PLAINTEXT':
    case 'SASL_SSL':
      gathered.problems.push({
        key: protocol.key,
        message: `${protocol.text} is refused. A link shows who it is by a certificate. Give its principal one, and a listener of the brokers that asks for it (ssl.client.auth=required), and set SSL here.`,
      })
      return null
    default:
      gathered.problems.push({
        key: protocol.key,
        message: `${JSON.stringify(protocol.text)} is none of PLAINTEXT, SSL`,
      })
      return null
  }
}

function trustOf(settings: ClientSettings, options: EndOptions, gathered: Gathered): string | undefined {
  const inline = settings.get('ssl.truststore.certificates')
  if (inline === undefined)
    return storePath(settings, 'truststore', 'the certificates of who issued the brokers’', options, gathered)
  const certificates = pemBlocks(inline.text).filter(({ label }) => label === 'CERTIFICATE')
  if (certificates.length === 0) {
    gathered.problems.push({ key: inline.key, message: 'holds no PEM certificate' })
    return undefined
  }
  return kept(
    inline,
    'truststore',
    certificates.map(({ text }) => text).join(''),
    [inline],
    options,
    gathered,
  )
}

function keyOf(settings: ClientSettings, options: EndOptions, gathered: Gathered): string | undefined {
  const key = settings.get('ssl.keystore.key')
  const chain = settings.get('ssl.keystore.certificate.chain')
  if (key === undefined && chain === undefined)
    return storePath(settings, 'keystore', 'the link’s private key and certificate chain', options, gathered)
  const keys = pemBlocks(key?.text ?? '').filter(({ label }) => label.endsWith('PRIVATE KEY'))
  const certificates = pemBlocks(chain?.text ?? '').filter(({ label }) => label === 'CERTIFICATE')
  const at = (name: string, given: GivenSetting | undefined): string => given?.key ?? options.prefix + name
  if (keys[0]?.label === 'ENCRYPTED PRIVATE KEY') {
    gathered.problems.push({
      key: key!.key,
      message: 'the private key is encrypted. Decrypt it: openssl pkey -in KEY.pem -out PLAIN.pem',
    })
    return undefined
  }
  if (keys.length !== 1)
    gathered.problems.push({ key: at('ssl.keystore.key', key), message: 'must hold one PEM private key' })
  if (certificates.length === 0)
    gathered.problems.push({
      key: at('ssl.keystore.certificate.chain', chain),
      message: 'must hold a PEM certificate, and those that lead from it to an authority',
    })
  if (keys.length !== 1 || certificates.length === 0) return undefined
  const text = [...keys, ...certificates].map(block => block.text).join('')
  return kept(key!, 'keystore', text, [key!, chain!], options, gathered)
}

/** The text becomes a file, and the configuration that is kept names the file. */
function kept(
  given: GivenSetting,
  store: 'truststore' | 'keystore',
  text: string,
  replaced: readonly GivenSetting[],
  { pemDirectory }: EndOptions,
  { files, keep }: Gathered,
): string {
  const file = pemFile(pemDirectory, text)
  files.push(file)
  for (const { key } of replaced) keep[key] = null
  const prefix = given.key.slice(0, given.key.lastIndexOf('ssl.'))
  keep[`${prefix}ssl.${store}.type`] = 'PEM'
  keep[`${prefix}ssl.${store}.location`] = file.path
  return file.path
}

const NO_FILES =
  'is refused: this server is open to everyone on the machine (connect.access), and reads no files that it is told of. Give certificates as text (ssl.truststore.certificates, ssl.keystore.key, ssl.keystore.certificate.chain)'

function storePath(
  settings: ClientSettings,
  store: 'truststore' | 'keystore',
  holds: string,
  { prefix, anyFile, pemDirectory }: EndOptions,
  { problems }: Gathered,
): string | undefined {
  const location = settings.get(`ssl.${store}.location`)
  if (location === undefined || location.text === '') {
    problems.push({
      key: location?.key ?? `${prefix}ssl.${store}.location`,
      message: `must be given with SSL: a PEM file with ${holds}`,
    })
    return undefined
  }
  const type = settings.get(`ssl.${store}.type`)
  if ((type?.text ?? 'JKS').toUpperCase() !== 'PEM') {
    problems.push({
      key: type?.key ?? location.key,
      message: conversion(store, type?.text ?? 'JKS', location),
    })
    return undefined
  }
  if (!isAbsolute(location.text)) {
    problems.push({ key: location.key, message: 'must be an absolute path' })
    return undefined
  }
  if (!anyFile && dirname(location.text) !== pemDirectory) {
    problems.push({ key: location.key, message: NO_FILES })
    return undefined
  }
  return location.text
}

function conversion(store: 'truststore' | 'keystore', type: string, { key, text }: GivenSetting): string {
  const quoted = `'${text.replaceAll("'", "'\\''")}'`
  const commands: Readonly<Record<string, string>> = {
    JKS:
      store === 'truststore'
        ? `keytool -list -rfc -keystore ${quoted} > store.pem`
        : `keytool -importkeystore -srckeystore ${quoted} -destkeystore store.p12 -deststoretype PKCS12 && openssl pkcs12 -in store.p12 -nodes -out store.pem && chmod 600 store.pem`,
    PKCS12: `openssl pkcs12 -in ${quoted} -nodes${store === 'truststore' ? ' -nokeys' : ''} -out store.pem && chmod 600 store.pem`,
  }
  const command = commands[type.toUpperCase()]
  return command === undefined
    ? `${JSON.stringify(type)} is none of PEM, JKS, PKCS12; only PEM is read`
    : `stores are read as PEM. Convert it: ${command}; then set ssl.${store}.type=PEM and ${key} to its absolute path`
}
