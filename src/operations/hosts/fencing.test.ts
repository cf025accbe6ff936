import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  BEFORE_HOLDS_MS,
  FORGOTTEN_AFTER_MS,
  type Judged,
  judge,
  MOST_KEEPERS,
  NOTHING_OBEYED,
  type Obeyed,
} from './fencing.ts'
import { openTokens } from './tokens.ts'

/** What each order, given at once after the one before it, is answered. */
function answers(orders: readonly (readonly [keeper: string, token: number])[], from = NOTHING_OBEYED) {
  let obeyed: Obeyed = from
  const kinds = orders.map(([keeper, token], now): Judged['kind'] => {
    const judged = judge(obeyed, { keeper, token }, now)
    if (judged.kind === 'obeyed') obeyed = judged.obeyed
    return judged.kind
  })
  return { kinds, obeyed }
}

test('a keeper’s tokens say nothing of another’s', () => {
  const { kinds, obeyed } = answers([
    ['hub', 9_000],
    ['edge', 3],
    ['hub', 8_999],
    ['edge', 3],
    ['edge', 2],
    ['hub', 9_000],
  ])
  assert.deepEqual(kinds, ['obeyed', 'obeyed', 'stale', 'obeyed', 'stale', 'obeyed'])
  assert.equal(obeyed.keepers.length, 2)
})

test('of one keeper nothing is obeyed once something later was, in whatever order it comes', () => {
  for (let seed = 1; seed <= 50; seed++) {
    let state = seed
    const random = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below
    const orders = Array.from({ length: 60 }, () => [`k${random(3)}`, random(20)] as const)
    const highest = new Map<string, number>()
    const expected = orders.map(([keeper, token]) => {
      if (token < (highest.get(keeper) ?? 0)) return 'stale'
      highest.set(keeper, token)
      return 'obeyed'
    })
    assert.deepEqual(answers(orders).kinds, expected, `seed ${seed}`)
  }
})

test('what is remembered is bounded: room is made by what nobody can mean any more, and else nothing new is obeyed', () => {
  const many = Array.from({ length: MOST_KEEPERS }, (_, i) => [`k${i}`, 5] as const)
  const { obeyed } = answers(many)
  const fence = { keeper: 'another', token: 1 }
  assert.equal(judge(obeyed, fence, MOST_KEEPERS).kind, 'full')
  // Those who are known go on.
  assert.equal(judge(obeyed, { keeper: 'k0', token: 6 }, MOST_KEEPERS).kind, 'obeyed')
  const later = judge(obeyed, fence, FORGOTTEN_AFTER_MS + 1)
  assert.ok(later.kind === 'obeyed')
  assert.deepEqual(
    [later.obeyed.keepers.length, later.obeyed.keepers.some(({ keeper }) => keeper === 'k0')],
    [MOST_KEEPERS, false],
  )
})

test('a file of a time when keepers were not told apart holds for all of them while such a lease may be remembered, and no longer', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-tokens-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'fencing.json')
  await writeFile(path, JSON.stringify({ highest: 7 }))
  const at = 1_000_000
  const early = await openTokens(path, () => at)
  const stale = { code: 'FENCING_TOKEN_STALE' }
  await assert.rejects(early.obey({ keeper: 'hub', token: 6 }), stale)
  await early.obey({ keeper: 'hub', token: 7 })
  await early.obey({ keeper: 'hub', token: 8 })
  // A restart does not make it longer, nor shorter.
  const still = await openTokens(path, () => at + BEFORE_HOLDS_MS - 1)
  await assert.rejects(still.obey({ keeper: 'edge', token: 6 }), stale)
  await assert.rejects(still.obey({ keeper: 'hub', token: 7 }), stale)
  const late = await openTokens(path, () => at + BEFORE_HOLDS_MS)
  await late.obey({ keeper: 'edge', token: 0 })
  await assert.rejects(late.obey({ keeper: 'hub', token: 7 }), stale)
})

test('what was obeyed is on the disk before it is, also when several are given at once', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-tokens-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'deeper', 'tokens.json')
  const tokens = await openTokens(path)
  await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) => tokens.obey({ keeper: `k${i % 3}`, token: i })),
  )
  const again = await openTokens(path)
  for (const [keeper, highest] of [
    ['k0', 39],
    ['k1', 37],
    ['k2', 38],
  ] as const) {
    await assert.rejects(again.obey({ keeper, token: highest - 1 }), { code: 'FENCING_TOKEN_STALE' })
    await again.obey({ keeper, token: highest })
  }
})

test('what could not be written is not obeyed, nor when it is given again', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-tokens-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'in', 'tokens.json')
  const tokens = await openTokens(path)
  await writeFile(join(folder, 'in'), 'a file where the folder belongs')
  for (let times = 0; times < 2; times++)
    await assert.rejects(tokens.obey({ keeper: 'hub', token: 4 }), { code: 'EEXIST' })
  await rm(join(folder, 'in'))
  await tokens.obey({ keeper: 'hub', token: 4 })
  assert.match(await readFile(path, 'utf8'), /"hub"/)
})

test('a damaged file is no reason to obey anybody', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'ajna-tokens-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'tokens.json')
  for (const text of ['', '{', '{"highest":-1}', '{"keepers":[{"keeper":"a","token":"7","at":0}]}', '[]']) {
    await writeFile(path, text)
    await assert.rejects(openTokens(path), { code: 'FENCING_STATE_DAMAGED' })
  }
})
