import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AjnaError } from '../../foundation/errors/errors.ts'
import { silentLogger } from '../../foundation/log/log.ts'
import type { LinkAdmin } from './contract.ts'
import { copySettings } from './decide.ts'
import { LINK_TOPIC_REFUSED } from './errors.ts'
import { alignSettings, fateOf, type SettingsSides, type TopicFate, topicsReason } from './topics.ts'

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

test('a topic whose settings may not be seen or changed is told, and those of the others follow', async () => {
  const hide =
    (hidden: string): LinkAdmin['settings'] =>
    async topics => {
      if (topics.includes(hidden))
        throw new AjnaError(LINK_TOPIC_REFUSED, `topic ${hidden}: no right`, {
          details: { topics: [hidden] },
        })
      return new Map(topics.map(topic => [topic, { ...copySettings({}), 'retention.ms': topic.slice(-1) }]))
    }
  const changed: string[] = []
  const changeSettings: LinkAdmin['changeSettings'] = async topic => {
    if (topic === 'copy.4') throw new Error('no AlterConfigs')
    changed.push(topic)
  }
  const sides = {
    sourceAdmin: { settings: hide('1') },
    targetAdmin: {
      changeSettings,
      settings: async (topics: readonly string[], signal: AbortSignal) =>
        new Map([...(await hide('copy.2')(topics, signal))].map(([topic]) => [topic, copySettings({})])),
    },
    log: silentLogger,
  } satisfies SettingsSides
  const views = ['1', '2', '3', '4'].map(name => {
    return { name, copy: `copy.${name}`, partitions: 1, copied: 1, growing: false, halt: undefined }
  })
  const failed = await alignSettings(sides, views, AbortSignal.timeout(10_000))
  assert.deepEqual(changed, ['copy.3'])
  assert.deepEqual(
    [...failed],
    [
      ['1', 'topic 1: no right'],
      ['2', 'topic copy.2: no right'],
      ['4', 'no AlterConfigs'],
    ],
  )
})
