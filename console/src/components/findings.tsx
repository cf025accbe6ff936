import type { Finding } from '../api/client.ts'
import { A, pathOf } from '../router.tsx'
import { Glyph, toneOf } from './status.tsx'
import { Instant } from './time-ago.tsx'

/** What is wrong, where, since when, what is being done, what may be done: in that order, one line each. */
export function Findings({
  findings,
  nothing,
}: {
  readonly findings: readonly Finding[]
  readonly nothing: string
}) {
  if (findings.length === 0) {
    return (
      <p className="all-well">
        <Glyph tone="ok" /> {nothing}
      </p>
    )
  }
  return (
    <ol className="findings" aria-label="What is wrong, worst first">
      {findings.map(finding => (
        <li key={finding.id} className={`finding tone-${toneOf(finding.severity)}`}>
          <Glyph tone={toneOf(finding.severity)} />
          <div className="finding-what">
            <A className="finding-title" href={pathOf(finding.subject)}>
              {finding.title}
            </A>
            <span className="hidden">, {finding.severity}, since </span>
            <span className="finding-since">
              <Instant at={finding.since} />
            </span>
            <p className="quiet wrap">{finding.evidence.join(' · ')}</p>
          </div>
          <dl className="finding-next">
            <div>
              <dt>Being done</dt>
              <dd>{finding.doing ?? 'nothing: it needs a person'}</dd>
            </div>
            <div>
              <dt>You may</dt>
              <dd>{finding.remedy}</dd>
            </div>
          </dl>
        </li>
      ))}
    </ol>
  )
}
