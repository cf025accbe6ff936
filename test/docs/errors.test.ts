import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ERRORS_PAGE, errorsPage } from '../../scripts/generate-errors.ts'

test('docs/ERRORS.md says what the sources declare', async () => {
  assert.equal(readFileSync(ERRORS_PAGE, 'utf8'), await errorsPage(), 'run: node scripts/generate-errors.ts')
})
