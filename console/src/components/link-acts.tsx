import { useState } from 'react'
import { api, data, type Link } from '../api/client.ts'
import { A, at } from '../router.tsx'
import { ActDialog } from './act.tsx'

const ACTS = {
  pause: { verb: 'Pause', title: 'Pause link' },
  resume: { verb: 'Resume', title: 'Resume link' },
  'restart-failed': { verb: 'Restart failed', title: 'Restart failed partitions of link' },
} as const
type Act = keyof typeof ACTS

/** What may be done to a link; each button opens what it would do. */
export function LinkActs({ link }: { readonly link: Link }) {
  const [open, setOpen] = useState<Act | null>(null)
  const offered: readonly Act[] = [
    link.desired === 'running' || link.desired === null ? 'pause' : 'resume',
    ...(link.haltedPartitions + link.blockedPartitions > 0 ? (['restart-failed'] as const) : []),
  ]
  return (
    <div className="buttons">
      {offered.map(act => (
        <button key={act} type="button" className="button" onClick={() => setOpen(act)}>
          {ACTS[act].verb}…
        </button>
      ))}
      {link.reverseOf === null && (
        <A className="button" href={at('links', link.name, 'rehearsal')}>
          Rehearse a switch of sides…
        </A>
      )}
      {open !== null && <LinkActDialog link={link.name} act={open} close={() => setOpen(null)} />}
    </div>
  )
}

function LinkActDialog({
  link,
  act,
  close,
}: {
  readonly link: string
  readonly act: Act
  readonly close: () => void
}) {
  const path = { link, act }
  const { title, verb } = ACTS[act]
  return (
    <ActDialog
      title={`${title} ${link}`}
      verb={verb}
      queryKey={['link', link, act]}
      preview={signal => data(api.GET('/api/links/{link}/acts/{act}', { params: { path }, signal }))}
      act={body => data(api.POST('/api/links/{link}/acts/{act}', { params: { path }, body }))}
      close={close}
    />
  )
}
