import { z } from 'zod'
import type { App } from '../../../foundation/http/server.ts'
import { connectorParams } from './models.ts'
import { readOffsets, showOffsets } from './offset-forms.ts'
import type { RouteContext } from './route-context.ts'
import { connectorOf } from './stored.ts'

/** Where connectors stand, read, set and forgotten (KIP-875). */

const DEADLINE_MS = 8_000

const offsetsModel = z.strictObject({
  offsets: z
    .array(z.strictObject({ partition: z.unknown().optional(), offset: z.unknown().optional() }))
    .nonempty(),
})
const ofConnector = { params: connectorParams }

export function offsetRoutes(app: App, { options: { registry }, actions }: RouteContext): void {
  const deadline = (): AbortSignal => AbortSignal.timeout(DEADLINE_MS)

  app.get('/connectors/:name/offsets', { schema: ofConnector }, async request => {
    const entry = actions.get(request.params.name)
    const { kind, config } = connectorOf(entry)
    const positions = await registry.positions(entry.definition.name, deadline())
    return { offsets: showOffsets(kind.offsets, config, positions) }
  })
  app.patch(
    '/connectors/:name/offsets',
    { schema: { params: connectorParams, body: offsetsModel } },
    async request => {
      const { name } = request.params
      const { kind, config } = connectorOf(actions.stopped(name))
      const changes = readOffsets(kind.offsets, config, request.body.offsets)
      await registry.setPositions(name, changes, deadline())
      return { message: `The positions of ${counted(changes.length)} were set.` }
    },
  )
  app.delete('/connectors/:name/offsets', { schema: ofConnector }, async request => {
    const { name } = request.params
    actions.stopped(name)
    const known = await registry.positions(name, deadline())
    const changes = known.map(({ topic, partition }) => ({ topic, partition, sourceOffset: null }))
    if (changes.length > 0) await registry.setPositions(name, changes, deadline())
    return { message: `The positions of ${counted(changes.length)} were forgotten.` }
  })
}

const counted = (count: number): string => (count === 1 ? 'one partition' : `${count} partitions`)
