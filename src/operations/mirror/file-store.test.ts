import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LinkState } from './contract.ts'
import { LINK_STATE_INVALID } from './errors.ts'
import { fileLinkStore } from './file-store.ts'

const state: LinkState = {
  version: 1,
  producerId: '9223372036854775807',
  fillerId: '2',
  markerId: '3',
  coordinatorEpoch: 4,
  topics: { 'logs.edge': { sourceId: 'AAAAAAAAAAAAAAAAAAAAAQ' } },
  missing: [{ topic: 'logs.edge', partition: 0, from: 5, to: 9 }],
}

async function inFolder(use: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-link-store-'))
  try {
    await use(join(folder, 'state.json'), folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('a state is read back as it was saved, and nothing is left beside it', () =>
  inFolder(async (path, folder) => {
    const store = fileLinkStore(path)
    assert.equal(await store.load(), undefined)
    await store.save({ ...state, coordinatorEpoch: 3 })
    await store.save(state)
    assert.deepEqual(await fileLinkStore(path).load(), state)
    assert.deepEqual(await readdir(folder), ['state.json'])
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
      await assert.rejects(fileLinkStore(path).load(), { code: LINK_STATE_INVALID.code })
    }))
}
