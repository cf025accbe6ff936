import { renderTable } from '../../../foundation/text/table.ts'
import { ensureAuthority } from '../../../foundation/tls/authority.ts'
import { type CertificateState, inspectStore, renew } from '../../../foundation/tls/renew.ts'
import { readCertificate } from '../../../foundation/tls/store.ts'
import { readFleetFile } from '../../fleet-file.ts'
import { homeOf } from '../../home.ts'
import { print, printJson, say } from '../output.ts'

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

const rowOf = (principal: string, state: CertificateState) =>
  state.kind === 'broken'
    ? { principal, state: state.kind, site: '', notAfter: null, problem: state.problem }
    : {
        principal,
        state: state.kind,
        site: state.certificate.site,
        notAfter: new Date(state.certificate.notAfter).toISOString(),
        problem: null,
      }

export async function list(options: { readonly json?: boolean }): Promise<void> {
  const home = homeOf()
  await readFleetFile(home)
  const rows = [...(await inspectStore(home.pki))].map(([principal, state]) => rowOf(principal, state))
  if (options.json === true) return printJson(rows)
  print(
    renderTable(
      [
        { title: 'PRINCIPAL', value: row => row.principal },
        { title: 'SITE', value: row => row.site },
        { title: 'STATE', value: row => row.state },
        { title: 'VALID UNTIL', value: row => row.notAfter?.slice(0, 10) ?? '-' },
        { title: 'PROBLEM', value: row => row.problem ?? '', shrinkTo: 20 },
      ],
      rows,
    ),
  )
}

export async function renewCertificates(
  principal: string | undefined,
  options: { readonly all?: boolean },
): Promise<void> {
  const home = homeOf()
  await readFleetFile(home)
  const authority = await ensureAuthority(home.pki)
  // One that is not there, or not what it should be, is an error with a code, not a certificate left as it is.
  if (principal !== undefined) await readCertificate(home.pki, principal)
  const which = principal !== undefined ? { principal } : options.all === true ? 'all' : 'expiring'
  const renewals = await renew(authority, which)
  for (const renewal of renewals)
    say(
      renewal.renewed
        ? `renewed ${renewal.principal}, valid until ${day(renewal.notAfter)}`
        : `left ${renewal.principal} as it is: ${renewal.reason}`,
    )
  const renewed = renewals.filter(renewal => renewal.renewed).length
  say(`${renewed} renewed; roles and brokers take new certificates when they start: ajna down, ajna up`)
  if (renewed < renewals.length && which !== 'expiring') process.exitCode = renewed === 0 ? 1 : 4
}
