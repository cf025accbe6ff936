import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { lateQueue } from './late.ts'

test('bytes come in the order in which they were sent, all of them, and none before its time', () => {
  const sent = fc.array(fc.record({ after: fc.nat(300), late: fc.nat(200) }), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(sent, fc.integer({ min: 1, max: 40 }), (packets, step) => {
      let time = 0
      let late = 0
      const queue = lateQueue(
        () => late,
        () => time,
      )
      const got: number[] = []
      const take = (): void => {
        for (const data of queue.take()) {
          const index = data!.readInt32BE()
          assert.ok(time >= sentAt[index]! + packets[index]!.late, 'before its time')
          got.push(index)
        }
      }
      const sentAt: number[] = []
      for (const [index, packet] of packets.entries()) {
        const until = time + packet.after
        for (; time < until; time += step) take()
        late = packet.late
        sentAt.push(time)
        const data = Buffer.alloc(4)
        data.writeInt32BE(index)
        queue.push(data)
      }
      while (queue.nextAt() !== undefined) {
        time = Math.max(time, queue.nextAt()!)
        take()
      }
      assert.deepEqual(
        got,
        packets.map((_, index) => index),
      )
    }),
  )
})

test('what waits is bounded: a queue that is full says so until some of it has gone', () => {
  let time = 0
  const queue = lateQueue(
    () => 100,
    () => time,
  )
  const piece = Buffer.alloc(1024 * 1024)
  for (let i = 0; i < 8; i++) {
    assert.equal(queue.isFull(), false)
    queue.push(piece)
  }
  assert.ok(queue.isFull())
  queue.push(null)
  assert.deepEqual(queue.take(), [])
  time = 100
  assert.deepEqual(queue.take().at(-1), null, 'an end comes as late as bytes do')
  assert.equal(queue.isFull(), false)
})
