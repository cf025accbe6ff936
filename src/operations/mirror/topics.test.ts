import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fateOf, type TopicFate } from './topics.ts'

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
