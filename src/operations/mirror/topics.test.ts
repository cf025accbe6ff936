import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fateOf, type TopicFate, topicsReason } from './topics.ts'

const facts = { adoptedId: 'a', sourceId: 'a', absences: 0, allGone: false, onSourceDeleted: 'halt' as const }
const gone = { sourceId: undefined, absences: 3 }

const fates: readonly [what: string, Partial<Parameters<typeof fateOf>[0]>, Partial<TopicFate>][] = [
  ['a topic that is there is copied', {}, { kind: 'copy' }],
  ['one that was created again is another', { sourceId: 'b' }, { kind: 'halt', halted: 'source-recreated' }],
  ['and by policy its copy goes', { sourceId: 'b', onSourceDeleted: 'delete' }, { kind: 'delete' }],
  ['one that is missing once or twice may come back', { ...gone, absences: 2 }, { kind: 'unsure' }],
  ['whatever the policy', { ...gone, absences: 2, onSourceDeleted: 'delete' }, { kind: 'unsure' }],
  ['one that stays away is gone', gone, { kind: 'halt', halted: 'source-gone' }],
  ['and by policy its copy goes too', { ...gone, onSourceDeleted: 'delete' }, { kind: 'delete' }],
  [
    'but not when all of them are gone at once',
    { ...gone, onSourceDeleted: 'delete', allGone: true },
    { kind: 'halt', halted: 'source-gone' },
  ],
]
for (const [what, change, fate] of fates)
  test(`a source's topics: ${what}`, () => {
    assert.partialDeepStrictEqual(fateOf({ ...facts, ...change }), fate)
  })

test('of topics that are not copied or not in step one is named, and how many more there are', () => {
  assert.equal(topicsReason(new Map(), new Map()), '')
  const refused = new Map([
    ['a', 'no Create'],
    ['b', 'no Create'],
  ])
  assert.equal(
    topicsReason(refused, new Map([['c', 'no AlterConfigs']])),
    'a is not copied: no Create (and so with 1 more); the settings of c are not in step: no AlterConfigs',
  )
})
