import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './nearest.ts'

test('a misspelt word finds the word that was meant', () => {
  const words = ['partitions', 'replicationFactor', 'minInsyncReplicas', 'retention', 'cleanup']
  for (const [typed, meant] of [
    ['partitons', 'partitions'],
    ['replication-factor', 'replicationFactor'],
    ['replication_factor', 'replicationFactor'],
    ['min.insync.replicas', 'minInsyncReplicas'],
    ['retentoin', 'retention'],
    ['Cleanup', 'cleanup'],
  ] as const) {
    assert.equal(nearest(typed, words), meant, typed)
  }
})

test('a word that is nothing like the others is not guessed at', () => {
  assert.equal(nearest('owner', ['partitions', 'retention']), undefined)
  assert.equal(nearest('x', ['yz']), undefined)
  assert.equal(nearest('a'.repeat(100_000), ['partitions']), undefined)
})
