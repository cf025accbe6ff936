import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isAjnaError } from '../../../foundation/errors/errors.ts'
import type { LinkPosition } from '../registry.ts'
import type { OffsetForm } from './config/connectors.ts'
import { CONNECT_OFFSETS_INVALID } from './errors.ts'
import { readOffsets, showOffsets } from './offset-forms.ts'

const config = { 'source.cluster.alias': 'west' }
const positions: readonly LinkPosition[] = [
  { topic: 'orders', partition: 3, sourceOffset: 8, targetOffset: 5 },
  { topic: 'orders', partition: 4, sourceOffset: 0, targetOffset: 0 },
]

const shown: Readonly<Record<OffsetForm, unknown>> = {
  // The next offset that is copied, and where it will lie.
  link: [
    { partition: { topic: 'orders', partition: 3 }, offset: { offset: 8, target: 5 } },
    { partition: { topic: 'orders', partition: 4 }, offset: { offset: 0, target: 0 } },
  ],
  // Mirus: the next one.
  mirus: [{ partition: { topic: 'orders', partition: 3 }, offset: { offset: 8 } }],
  // MirrorMaker 2: the last one that was copied.
  mm2: [{ partition: { cluster: 'west', topic: 'orders', partition: 3 }, offset: { offset: 7 } }],
}

for (const form of ['link', 'mirus', 'mm2'] as const)
  test(`${form}: a position is shown in its words, and read from them as the same place`, () => {
    const offsets = showOffsets(form, config, positions)
    assert.deepEqual(offsets, shown[form])
    assert.deepEqual(readOffsets(form, config, offsets)[0], {
      topic: 'orders',
      partition: 3,
      sourceOffset: 8,
    })
  })

test('an offset of null, or none, forgets the partition', () => {
  const partition = { cluster: 'west', topic: 't', partition: 0 }
  const forgotten = [{ topic: 't', partition: 0, sourceOffset: null }]
  assert.deepEqual(readOffsets('mm2', config, [{ partition, offset: null }]), forgotten)
  assert.deepEqual(readOffsets('mm2', config, [{ partition }]), forgotten)
})

describe('what cannot be a position is refused, named by where it stands', () => {
  const place = { topic: 't', partition: 0 }
  const wrong: readonly (readonly [form: OffsetForm, given: object, says: RegExp])[] = [
    ['mm2', { partition: place, offset: { offset: 1 } }, /^offsets\[0\].partition.cluster: /],
    ['mm2', { partition: { ...place, cluster: 'east' }, offset: { offset: 1 } }, /source is "west"$/],
    [
      'mirus',
      { partition: { ...place, cluster: 'west' }, offset: { offset: 1 } },
      /^offsets\[0\].partition: /,
    ],
    ['mirus', { partition: { ...place, partition: -1 }, offset: { offset: 1 } }, /partition.partition: /],
    [
      'mirus',
      { partition: { ...place, partition: 2 ** 31 }, offset: { offset: 1 } },
      /partition.partition: /,
    ],
    ['mirus', { partition: { partition: 1 }, offset: { offset: 1 } }, /partition.topic: /],
    ['mirus', { partition: place, offset: { offset: -1 } }, /offset.offset: /],
    ['mirus', { partition: place, offset: { offset: 1.5 } }, /offset.offset: /],
    ['mirus', { partition: place, offset: { offset: 2 ** 53 } }, /offset.offset: /],
    ['mirus', { partition: place, offset: { offset: '1' } }, /offset.offset: /],
    ['mirus', { partition: place, offset: { ofset: 1 } }, /offsets\[0\].offset/],
    ['mirus', { partition: place, offset: 1 }, /offsets\[0\].offset: /],
    ['mirus', { offset: { offset: 1 } }, /offsets\[0\].partition: /],
  ]
  for (const [form, given, says] of wrong)
    test(JSON.stringify(given), () => {
      assert.throws(
        () => readOffsets(form, config, [given]),
        error => isAjnaError(error, CONNECT_OFFSETS_INVALID) && says.test(error.message),
      )
    })

  test('twice', () => {
    const twice = [1, 2].map(offset => ({ partition: place, offset: { offset } }))
    assert.throws(() => readOffsets('mirus', config, twice), /t-0 is given twice/)
  })
})
