import { type LogLine, logFilterModel, logLineModel, logQueryModel, logTableModel } from '../models.ts'
import { callSignal, errorAnswers, type RouteContext } from './context.ts'

const QUERY_DEADLINE_MS = 35_000
/** A backlog comes at once. */
const TAIL_BUFFER_BYTES = 4 * 1024 * 1024

export function logRoutes(context: RouteContext): void {
  const { app, platform } = context
  app.post('/api/logs/query', {
    schema: {
      tags: ['logs'],
      summary:
        'SQL over the archive and what is not yet archived (table `logs`); read-only, bounded in time and memory',
      body: logQueryModel,
      response: { 200: logTableModel, ...errorAnswers },
    },
    handler: (request, reply) =>
      platform.logs.query(request.body.sql, request.body.limit, callSignal(reply, QUERY_DEADLINE_MS)),
  })
  app.get('/api/logs/tail', {
    schema: {
      tags: ['logs'],
      summary:
        'Server-sent events: a `line` for each line that passes, a backlog first if asked for, `dropped` when the reader was too slow',
      querystring: logFilterModel,
      response: { 200: logLineModel.describe('data of each `line` event'), ...errorAnswers },
    },
    handler: (request, reply) => {
      const stream = context.events(reply, { maxBufferedBytes: TAIL_BUFFER_BYTES })
      const send = (line: LogLine): void => void stream.send({ event: 'line', id: line.id, data: line })
      platform.logs.tail(request.query, send, stream.closed)
    },
  })
}
