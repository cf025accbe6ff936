import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CONNECT_PAGE } from '../../scripts/generate-connect.ts'
import { connectPage } from '../../src/operations/mirror/connect/config/table.ts'

test('docs/CONNECT.md says of every key what its spec says', () => {
  assert.equal(readFileSync(CONNECT_PAGE, 'utf8'), connectPage(), 'run: node scripts/generate-connect.ts')
})
