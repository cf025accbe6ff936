import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter } from '../bytes.ts'
import type { Message } from './message.ts'
import { remembering } from './remembering.ts'

const names: Message<null, { readonly names: readonly string[] }> = {
  name: 'Names',
  key: 0,
  minVersion: 0,
  maxVersion: 1,
  encode: () => [],
  parse: reader => ({ names: reader.compactArray(each => each.compactString()) }),
}

function answer(values: readonly string[]): ByteReader {
  return new ByteReader(new ByteWriter().compactArray(values, (w, value) => w.compactString(value)).finish())
}

test('the same bytes are the same value, others are not, and all of an answer is always read', () => {
  const message = remembering(names)
  const first = message.parse(answer(['a', 'b']), 1)
  const other = message.parse(answer(['a', 'c']), 1)
  const again = answer(['a', 'b'])
  assert.equal(message.parse(again, 1), first)
  assert.equal(again.remaining, 0)
  assert.deepEqual(other.names, ['a', 'c'])
  assert.notEqual(message.parse(answer(['a', 'b']), 0), first)
})

test('only the last few answers are kept', () => {
  const message = remembering(names)
  const first = message.parse(answer(['first']), 1)
  for (let i = 0; i < 10; i++) message.parse(answer([`${i}`]), 1)
  const again = message.parse(answer(['first']), 1)
  assert.notEqual(again, first)
  assert.deepEqual(again, first)
})
