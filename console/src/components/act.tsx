import { useMutation, useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { type Activity, type ActPreview, api, data } from '../api/client.ts'
import { A, at } from '../router.tsx'
import { ActFoot } from './act-dialog.tsx'
import { Facts } from './drawer.tsx'
import { Answer, ErrorPanel } from './states.tsx'
import { Glyph, State } from './status.tsx'
import { ConfirmField, useWhoAndWhy, type WhoAndWhy, WhoAndWhyFields } from './who-and-why.tsx'

const FOLLOW_MS = 500

export interface ActDialogProps {
  readonly title: string
  /** The button that does it. */
  readonly verb: string
  /** Of the preview. */
  readonly queryKey: readonly unknown[]
  readonly preview: (signal: AbortSignal) => Promise<ActPreview>
  readonly act: (body: WhoAndWhy['said'] & { readonly confirm: string }) => Promise<Activity>
  readonly close: () => void
}

/** An act: what it would do, why it may not be done now, the reason, the name; then how it goes. */
export function ActDialog({ title, verb, queryKey, preview: ask, act: begin, close }: ActDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  const preview = useQuery({
    queryKey: ['act', ...queryKey],
    queryFn: ({ signal }) => ask(signal),
    gcTime: 0,
  })
  const who = useWhoAndWhy()
  const [typed, setTyped] = useState('')
  const act = useMutation({ mutationFn: () => begin({ ...who.said, confirm: typed }) })

  return (
    <dialog ref={dialog} className="act" aria-label={title} onClose={close}>
      <h2>{title}</h2>
      {act.data !== undefined ? (
        <Progress begun={act.data} />
      ) : (
        <Answer query={preview}>
          {({ what, where, howLong, effects, undo, offer, confirm }) => (
            <form
              onSubmit={event => {
                event.preventDefault()
                if (offer.allowed) act.mutate()
              }}
            >
              <Facts
                facts={[
                  ['What', what],
                  ['Where', where],
                  ['How long', howLong],
                  ['Effects', <Lines key="effects" lines={effects} />],
                  ['Undo', undo],
                ]}
              />
              {offer.allowed ? (
                <>
                  <WhoAndWhyFields who={who} />
                  <ConfirmField confirm={confirm} typed={typed} setTyped={setTyped} />
                </>
              ) : (
                <div className="refusal" role="status">
                  <Glyph tone="warn" />
                  <div>
                    <p>Not now:</p>
                    <Lines lines={offer.reasons} />
                  </div>
                </div>
              )}
              {act.error !== null && <ErrorPanel error={act.error} />}
              <ActFoot
                dialog={dialog}
                verb={verb}
                pending="Asking…"
                ready={offer.allowed && typed === confirm && who.enough}
                isPending={act.isPending}
              />
            </form>
          )}
        </Answer>
      )}
    </dialog>
  )
}

function Lines({ lines }: { readonly lines: readonly string[] }) {
  return (
    <ul className="lines">
      {lines.map(line => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  )
}

/** Follows the act's entry in the activity log until it has ended. */
function Progress({ begun }: { readonly begun: Activity }) {
  const followed = useQuery({
    queryKey: ['activity', 'one', begun.id],
    queryFn: ({ signal }) =>
      data(api.GET('/api/activity/{id}', { params: { path: { id: begun.id } }, signal })),
    initialData: begun,
    refetchInterval: query => (query.state.data?.outcome === 'running' ? FOLLOW_MS : false),
  })
  const entry = followed.data
  return (
    <div role="status" aria-live="polite">
      <Facts
        facts={[
          ['State', <State key="state" name={entry.outcome} />],
          ...entry.evidence.map(({ label, value }) => [label, value] as const),
        ]}
      />
      <p className="act-foot">
        <A className="plain" href={at('activity', entry.id)}>
          Follow it in the activity log
        </A>
      </p>
    </div>
  )
}
