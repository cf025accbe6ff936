import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { api, data, type RehearsalRequest, type SwitchRequest } from '../api/client.ts'
import { ActDialog } from './act-dialog.tsx'
import { ConfirmField, useWhoAndWhy, WhoAndWhyFields } from './who-and-why.tsx'

export interface SwitchDialogProps {
  readonly link: string
  readonly title: string
  readonly verb: string
  readonly request: Required<RehearsalRequest> & Pick<SwitchRequest, 'goOn'>
  /** What has to be typed; null: nothing. */
  readonly confirm: string | null
  /** What it would do. */
  readonly children: ReactNode
  /** Told when it has begun. */
  readonly begun: () => void
  readonly close: () => void
}

/** A switch of a link's sides is carried out, or gone on with: what it costs, why, and the link's name where it costs something. */
export function SwitchDialog(props: SwitchDialogProps) {
  const { link, title, verb, request, confirm, children, begun, close } = props
  const who = useWhoAndWhy()
  const [typed, setTyped] = useState('')
  const queries = useQueryClient()
  const act = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/links/{link}/switch', {
          params: { path: { link } },
          body: { ...request, ...who.said, confirm: typed },
        }),
      ),
    async onSuccess() {
      await queries.invalidateQueries({ queryKey: ['live'] })
      queries.removeQueries({ queryKey: ['rehearsal', link] })
      begun()
    },
  })
  return (
    <ActDialog
      title={title}
      act={act}
      close={close}
      verb={verb}
      pending="Looking at both sides…"
      ready={who.enough && (confirm === null || typed === confirm)}
    >
      {children}
      <WhoAndWhyFields who={who} />
      {confirm !== null && <ConfirmField confirm={confirm} typed={typed} setTyped={setTyped} />}
    </ActDialog>
  )
}
