import { api, data } from '../api/client.ts'
import { ActDialog } from './act.tsx'

export function RestartDialog({
  cluster,
  broker,
  close,
}: {
  readonly cluster: string
  readonly broker: number
  readonly close: () => void
}) {
  const path = { cluster, broker }
  return (
    <ActDialog
      title={`Restart broker ${broker} of ${cluster}`}
      verb="Restart"
      queryKey={['restart', cluster, broker]}
      preview={signal =>
        data(api.GET('/api/clusters/{cluster}/brokers/{broker}/restart', { params: { path }, signal }))
      }
      act={body =>
        data(api.POST('/api/clusters/{cluster}/brokers/{broker}/restart', { params: { path }, body }))
      }
      close={close}
    />
  )
}
