import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Activity } from './contract.ts'
import { decideCarrying, merged } from './decide.ts'
import type { Waiting } from './outbox.ts'
import { entry } from './testing.ts'

const waits = (members: Partial<Activity> = {}, told = false): Waiting => {
  const each = entry(members)
  return { entry: each, told, file: `${each.id}.${each.revision}${told ? '.told' : ''}` }
}
const done = { outcome: 'done', endedAt: 2_000 } as const

const cases: readonly {
  readonly what: string
  readonly waiting: Waiting
  readonly journal?: Partial<Activity>
  readonly accepted?: boolean
  readonly act: 'send' | 'mark' | 'remove' | 'leave'
}[] = [
  { what: 'new', waiting: waits(), act: 'send' },
  { what: 'new and ended', waiting: waits(done), act: 'send' },
  { what: 'told anew', waiting: waits({ revision: 1 }), journal: { revision: 0 }, act: 'send' },
  { what: 'its end', waiting: waits({ revision: 1, ...done }), journal: { revision: 0 }, act: 'send' },
  { what: 'in the journal, and going on', waiting: waits(), journal: {}, act: 'mark' },
  { what: 'in the journal, noted so', waiting: waits({}, true), journal: {}, act: 'leave' },
  { what: 'in the journal, and ended', waiting: waits(done), journal: done, act: 'remove' },
  {
    what: 'ended in the journal by another telling',
    waiting: waits(),
    journal: { revision: 3, ...done },
    act: 'remove',
  },
  { what: 'told after its end', waiting: waits({ revision: 9 }), journal: done, act: 'remove' },
  { what: 'accepted, and gone from the journal since', waiting: waits(done), accepted: true, act: 'remove' },
  { what: 'accepted and gone, but going on', waiting: waits(), accepted: true, act: 'mark' },
  { what: 'noted as told, and gone from the journal', waiting: waits({}, true), act: 'leave' },
]

for (const { what, waiting, journal, accepted, act } of cases)
  test(`an entry that is ${what}: ${act}`, () => {
    const held = new Map(journal === undefined ? [] : [['e0', entry(journal)]])
    const decided = decideCarrying([waiting], held, new Set(accepted ? [waiting.file] : []))
    const expected = { send: [], mark: [], remove: [], ...(act !== 'leave' && { [act]: [waiting] }) }
    assert.deepEqual(decided, expected)
  })

test('of several tellings only the last is sent; those before hold nothing that it does not', () => {
  const all = [waits({ revision: 1 }), waits({ revision: 2, ...done }), waits({}, true)]
  const decided = decideCarrying(all, new Map(), new Set())
  assert.deepEqual(decided, { send: [all[1]], mark: [], remove: [all[0], all[2]] })
})

test('a telling that was put again after it was noted as told is not sent again', () => {
  const all = [waits(), waits({}, true)]
  assert.deepEqual(decideCarrying(all, new Map(), new Set()), { send: [], mark: [], remove: [all[0]] })
})

test('the list is the journal with what waits: each entry once, as it was told last', () => {
  const journal = [entry({ id: 'a', at: 1 }), entry({ id: 'b', at: 2, revision: 4, ...done })]
  const waiting = [
    waits({ id: 'a', at: 1, revision: 1, ...done }),
    waits({ id: 'b', at: 2, revision: 3 }),
    waits({ id: 'c', at: 0 }),
  ]
  assert.deepEqual(
    merged(journal, waiting).map(({ id, revision }) => [id, revision]),
    [
      ['c', 0],
      ['a', 1],
      ['b', 4],
    ],
  )
})
