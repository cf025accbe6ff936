import { useMutation, useQuery } from '@tanstack/react-query'
import { useEffect, useId, useRef, useState } from 'react'
import { type Activity, api, data } from '../api/client.ts'
import { A, at } from '../router.tsx'
import { Facts } from './drawer.tsx'
import { Answer, ErrorPanel } from './states.tsx'
import { Glyph, State } from './status.tsx'

const FOLLOW_MS = 500

/** Restarting a broker: what it would do, why it may not be done now, the reason, the name; then how it goes. */
export function RestartDialog({
  cluster,
  broker,
  close,
}: {
  readonly cluster: string
  readonly broker: number
  readonly close: () => void
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  const path = { cluster, broker }
  const preview = useQuery({
    queryKey: ['restart', cluster, broker],
    queryFn: ({ signal }) =>
      data(api.GET('/api/clusters/{cluster}/brokers/{broker}/restart', { params: { path }, signal })),
    gcTime: 0,
  })
  const [reason, setReason] = useState('')
  const [typed, setTyped] = useState('')
  const restart = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/clusters/{cluster}/brokers/{broker}/restart', {
          params: { path },
          body: { reason, confirm: typed },
        }),
      ),
  })
  const title = `Restart broker ${broker} of ${cluster}`
  const reasonId = useId()
  const typedId = useId()

  return (
    <dialog ref={dialog} className="act" aria-label={title} onClose={close}>
      <h2>{title}</h2>
      {restart.data !== undefined ? (
        <Progress begun={restart.data} />
      ) : (
        <Answer query={preview}>
          {({ what, where, howLong, effects, undo, offer, confirm }) => (
            <form
              onSubmit={event => {
                event.preventDefault()
                if (offer.allowed) restart.mutate()
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
                  <label htmlFor={reasonId}>Reason, kept in the activity log</label>
                  <input
                    id={reasonId}
                    value={reason}
                    maxLength={500}
                    autoComplete="off"
                    onChange={event => setReason(event.target.value)}
                  />
                  <label htmlFor={typedId}>
                    Type <code>{confirm}</code> to confirm
                  </label>
                  <input
                    id={typedId}
                    value={typed}
                    autoComplete="off"
                    spellCheck={false}
                    onChange={event => setTyped(event.target.value)}
                  />
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
              {restart.error !== null && <ErrorPanel error={restart.error} />}
              <div className="act-foot">
                <button type="button" className="button" onClick={() => dialog.current?.close()}>
                  Cancel
                </button>
                <button
                  type="submit"
                  className="button danger"
                  disabled={
                    !offer.allowed || typed !== confirm || reason.trim().length < 3 || restart.isPending
                  }
                >
                  {restart.isPending ? 'Asking…' : 'Restart'}
                </button>
              </div>
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
