import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { describe, it } from 'node:test'
import { silentLogger } from '../log/log.ts'
import { EventStream, encodeEvent } from './events.ts'
import { createHttpServer } from './server.ts'
import { sessionOf } from './session.ts'

describe('a stream of events', () => {
  it('keeps every event on one line, whatever it holds', () => {
    assert.equal(
      encodeEvent({ id: '7', event: 'line', data: { line: 'a\nb\r\n\n' } }),
      'id: 7\nevent: line\ndata: {"line":"a\\nb\\r\\n\\n"}\n\n',
    )
  })

  it('drops what a slow reader cannot take, stays bounded, and says how much was dropped', () => {
    const stream = new EventStream({ maxBufferedBytes: 4_096, heartbeatMs: 60_000 })
    const line = 'x'.repeat(100)
    let sent = 0
    for (let i = 0; i < 1_000; i++) if (stream.send({ event: 'line', data: { line } })) sent++
    assert.ok(sent < 50)
    assert.ok(stream.body.readableLength < 4_096 + 200)
    const read = String(stream.body.read())
    assert.equal(read.split('event: line').length - 1, sent)
    assert.ok(read.endsWith(`event: dropped\ndata: {"count":${1_000 - sent}}\n\n`))
    assert.equal(stream.send({ event: 'line', data: 1 }), true)
    stream.end()
  })

  it('beats, so that a page can notice silence', async () => {
    const stream = new EventStream({ heartbeatMs: 5, now: () => 42 })
    let text = ''
    for await (const part of stream.body) {
      text += part
      if (text.split('event: heartbeat\ndata: {"at":42}').length > 3) break
    }
    assert.equal(stream.closed.aborted, true)
  })

  it('ends when its reader goes and when the server closes', async () => {
    const session = sessionOf('t'.repeat(43))
    const server = createHttpServer({ title: 't', version: '1', session, log: silentLogger })
    const opened: EventStream[] = []
    server.app.after(() => {
      server.app.get('/api/live', (_request, reply) => {
        opened.push(server.events(reply))
      })
    })
    const base = await server.listen(0)
    const open = async (): Promise<IncomingMessage> => {
      const request = get(`${base}/api/live`, { headers: { authorization: `Bearer ${session.token}` } })
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      await once(response, 'data')
      return response
    }
    const leaver = await open()
    leaver.destroy()
    if (!opened[0]!.closed.aborted) await once(opened[0]!.closed, 'abort')
    const stayer = await open()
    assert.equal(stayer.headers['content-type'], 'text/event-stream; charset=utf-8')
    const ended = once(stayer, 'end')
    stayer.resume()
    await server.close()
    await ended
    assert.equal(opened[1]!.closed.aborted, true)
  })
})
