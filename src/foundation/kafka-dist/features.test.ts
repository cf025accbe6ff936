import assert from 'node:assert/strict'
import { test } from 'node:test'
import { featureLevels, levelsIn } from './features.ts'

/** As StorageTool of Kafka 4.2.2 wrote it. */
const CHECKPOINT = Buffer.from(
  'AAAAAAAAAAAAAABHAAAAAAK8ta1NACAAAAAAAAABohjsO68AAAGiGOw7r///////////////////AAAAASoAAAAIAAAAAxYAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAPEAAAAAAg/irAAAAAAAAAUAAAGiGOw7xQAAAaIY7DvF//////////////////8AAAAGOgAAAAEuAQwAEW1ldGFkYXRhLnZlcnNpb24AHQAAWgAAAgFOAQwAIWVsaWdpYmxlLmxlYWRlci5yZXBsaWNhcy52ZXJzaW9uAAEAADQAAAQBKAEMAA5ncm91cC52ZXJzaW9uAAEAADQAAAYBKAEMAA5zaGFyZS52ZXJzaW9uAAEAADgAAAgBLAEMABBzdHJlYW1zLnZlcnNpb24AAQAAQAAACgE0AQwAFHRyYW5zYWN0aW9uLnZlcnNpb24AAgAAAAAAAAAAAAcAAAA/AAAAAAINWS59ACAAAAAAAAABohjsO8UAAAGiGOw7xf//////////////////AAAAARoAAAAIAAAABAYAAAAA',
  'base64',
)

test('the levels of a release are those that its own StorageTool has written down', () => {
  assert.deepEqual(Object.fromEntries(levelsIn(CHECKPOINT)), {
    'metadata.version': 29,
    'eligible.leader.replicas.version': 1,
    'group.version': 1,
    'share.version': 1,
    'streams.version': 1,
    'transaction.version': 2,
  })
})

test('a release without such a file has no levels, and that is said', async () => {
  await assert.rejects(featureLevels({ version: '2.8.2', bootstrapCheckpoint: undefined }), {
    code: 'KAFKA_PREPARE_FAILED',
  })
})
