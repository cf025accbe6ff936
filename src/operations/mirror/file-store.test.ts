import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LINK_STATE_INVALID } from './errors.ts'
import { type LinkFile, readLinkFile } from './file-store.ts'

const state: LinkFile = {
  version: 1,
  producerId: '9223372036854775807',
  fillerId: '2',
  markerId: '3',
  coordinatorEpoch: 4,
  topics: { 'logs.edge': { sourceId: 'AAAAAAAAAAAAAAAAAAAAAQ' } },
  missing: [{ topic: 'logs.edge', partition: 0, from: 5, to: 9 }],
}

async function inFolder(use: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-link-store-'))
  try {
    await use(join(folder, 'state.json'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('what a link kept in its file is read as it was written; no file is no state', () =>
  inFolder(async path => {
    assert.equal(await readLinkFile(path), undefined)
    await writeFile(path, JSON.stringify(state))
    assert.deepEqual(await readLinkFile(path), state)
  }))

for (const [what, text] of [
  ['cut short', '{"version":1,'],
  ['of another version', JSON.stringify({ ...state, version: 2 })],
  ['without a producer id', JSON.stringify({ ...state, producerId: undefined })],
  ['with something unknown', JSON.stringify({ ...state, extra: 1 })],
  ['empty', ''],
] as const) {
  test(`a state that is ${what} is refused, not begun anew`, () =>
    inFolder(async path => {
      await writeFile(path, text)
      await assert.rejects(readLinkFile(path), { code: LINK_STATE_INVALID.code })
    }))
}
