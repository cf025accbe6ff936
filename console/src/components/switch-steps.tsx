import type { Link } from '../api/client.ts'
import { duration } from '../format.ts'
import { Glyph } from './status.tsx'
import { TimeAgo } from './time-ago.tsx'

type UnderWay = NonNullable<NonNullable<Link['sides']>['underWay']>

/** How far a switch has come, and how it is gone on with when it stands still. */
export function SwitchSteps({ link, underWay }: { readonly link: string; readonly underWay: UnderWay }) {
  const { action, planned, startedAt, stuck, steps } = underWay
  return (
    <>
      <p className="quiet">
        {planned ? 'Planned' : 'Without the source'}, begun <TimeAgo at={startedAt} />.{' '}
        {action === 'promote' ? (
          <>
            <code>ajna link demote {link}</code> takes it back.
          </>
        ) : null}
      </p>
      {stuck !== null && (
        <div className="notice" role="status">
          <Glyph tone="bad" />
          <p className="wrap">
            It stands still: {stuck}.{' '}
            <code>
              ajna link {action} {link}
            </code>{' '}
            goes on with it.
          </p>
        </div>
      )}
      <ol className="steps" aria-label={`Steps of the ${action}`}>
        {steps.map((step, i) => (
          <Step key={step.name} step={step} number={i + 1} stuck={stuck !== null} />
        ))}
      </ol>
    </>
  )
}

function Step({
  step: { text, startedAt, endedAt },
  number,
  stuck,
}: {
  readonly step: UnderWay['steps'][number]
  readonly number: number
  readonly stuck: boolean
}) {
  const state = startedAt === null ? 'ahead' : endedAt === null ? 'now' : 'done'
  const tone = state === 'done' ? 'ok' : state === 'ahead' ? 'off' : stuck ? 'bad' : 'warn'
  return (
    <li className={`step ${state}`} aria-current={state === 'now' ? 'step' : undefined}>
      <span className="number quiet">{number}.</span>
      <Glyph tone={tone} />
      <span>
        {text}
        <span className="hidden">, {state === 'now' ? (stuck ? 'stands still' : 'under way') : state}</span>
      </span>
      <span className="quiet">
        {startedAt === null ? (
          ''
        ) : endedAt === null ? (
          <TimeAgo at={startedAt} />
        ) : (
          duration(endedAt - startedAt)
        )}
      </span>
    </li>
  )
}
