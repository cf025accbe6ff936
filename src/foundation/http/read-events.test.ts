import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ReceivedEvent, readEvents } from './read-events.ts'

async function* cut(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes.length === 0 ? bytes.length : sizes[turn % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function all(text: string, sizes: readonly number[] = []): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = []
  for await (const event of readEvents(cut(text, sizes))) events.push(event)
  return events
}
test('names, ids, several lines of data and heartbeats are read as the standard says', async () => {
  const events = await all(
    ': beat\n\nid: 7\nevent: line\ndata: a\ndata:b\n\nretry: 5\ndata\n\ndata: unfinished',
  )
  assert.deepEqual(events, [
    { event: 'line', data: 'a\nb', id: '7' },
    { event: 'message', data: '', id: '7' },
  ])
})

test('how the bytes are cut makes no difference', async () => {
  const text = 'event: zeile\r\ndata: grüße €\r\n\r\ndata: 2\n\nid: 9\rdata: 3\r\r'
  const whole = await all(text)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), async sizes => {
      assert.deepEqual(await all(text, sizes), whole)
    }),
  )
})
