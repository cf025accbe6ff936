import { useState } from 'react'
import type { Link } from '../api/client.ts'
import { duration } from '../format.ts'
import { A, at } from '../router.tsx'
import { Glyph } from './status.tsx'
import { SwitchDialog } from './switch-dialog.tsx'
import { TimeAgo } from './time-ago.tsx'

export const ACTION_NAMES = { promote: 'promotion', demote: 'demotion', failback: 'failback' } as const

type UnderWay = NonNullable<NonNullable<Link['sides']>['underWay']>

/** How far a switch has come, and how it is gone on with when it stands still. */
export function SwitchSteps({ link, underWay }: { readonly link: string; readonly underWay: UnderWay }) {
  const { action, planned, startedAt, stuck, here, steps } = underWay
  const [going, setGoing] = useState(false)
  return (
    <>
      <p className="quiet">
        {planned ? 'Planned' : 'Without the source'}, begun <TimeAgo at={startedAt} />
        {here
          ? '; carried out from here'
          : '; nobody works on it from here: a command may, or it was interrupted'}
        .
      </p>
      {stuck !== null && (
        <div className="notice" role="status">
          <Glyph tone="bad" />
          <p className="wrap">It stands still: {stuck}.</p>
        </div>
      )}
      <div className="buttons">
        {!here && (
          <button type="button" className="button" onClick={() => setGoing(true)}>
            Go on…
          </button>
        )}
        {action === 'promote' && (
          <A className="button" href={`${at('links', link, 'rehearsal')}?action=demote`}>
            Take it back…
          </A>
        )}
      </div>
      {going && (
        <SwitchDialog
          link={link}
          title={`Go on with the ${ACTION_NAMES[action]} of ${link}`}
          verb="Go on"
          request={{ action, planned, stay: false, consents: [], goOn: true }}
          confirm={null}
          begun={() => setGoing(false)}
          close={() => setGoing(false)}
        >
          <p className="quiet">
            It goes on at the step where it stands; what is done is not done again. Whoever else is at work on
            it is stopped: of two who change it one is told that it has changed.
          </p>
        </SwitchDialog>
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
