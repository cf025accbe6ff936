/**
 * Addresses of host names that this machine's resolver does not know, or is not to be asked for: as in /etc/hosts, and
 * `*.site.example` for every name below `site.example`. What is checked against certificates, and said to whoever routes by
 * it (SNI), stays the name.
 */
export type Hosts = Readonly<Record<string, string>>

/** The host itself where nothing is said of it. The name before the pattern, the longer pattern before the shorter. */
export function addressFor(hosts: Hosts | undefined, host: string): string {
  if (hosts === undefined) return host
  const name = host.toLowerCase()
  const exact = hosts[name]
  if (exact !== undefined && Object.hasOwn(hosts, name)) return exact
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const pattern = `*${name.slice(dot)}`
    if (Object.hasOwn(hosts, pattern)) return hosts[pattern]!
  }
  return host
}
