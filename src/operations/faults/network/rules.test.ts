import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkEffect } from '../contract.ts'
import { CLIENTS, faultRules, gidOf, PAIRS, pairRules, RELAY_GID, relayedBy, relayRules } from './rules.ts'

const brokers = [1, 2, 3].map(id => ({ id, network: { gid: gidOf(id), ports: [100 + id, 200 + id] } }))

/** Mark of the connections that one party opens to another, as the rules say it themselves. */
const marks = new Map(
  [
    ...pairRules(brokers).matchAll(/--dports (\d+),\d+ .*--gid-owner (\S+) -j CONNMARK --set-mark (\d+)/g),
  ].map(([, port, gid, mark]) => [
    `${gid!.includes('-') ? CLIENTS : Number(gid) - gidOf(0)}>${Number(port) - 100}`,
    mark!,
  ]),
)
const faults = (effect: NetworkEffect): string[] =>
  [...faultRules('f', 1, effect).matchAll(/^-A f .*--mark (\d+) .*--ctdir (\w+) /gm)]
    .map(([, mark, way]) => `${[...marks].find(([, each]) => each === mark)![0]} ${way}`)
    .sort()

test('each pair of parties has a mark of its own', () => {
  assert.equal(marks.size, 9)
  assert.equal(new Set(marks.values()).size, 9)
})

test('marks are put in a chain that is emptied when it is made again, and called once', () => {
  const first = pairRules(brokers).split('\n')
  assert.deepEqual(first.slice(0, 2), ['*mangle', `:${PAIRS} - [0:0]`])
  assert.equal(first.filter(line => line === `-A OUTPUT -j ${PAIRS}`).length, 1)
  const again = pairRules(brokers.slice(1), true).split('\n')
  assert.equal(again.filter(line => line.includes('OUTPUT')).length, 0)
  assert.ok(again.slice(2, -2).every(line => line.startsWith(`-A ${PAIRS} `)))
})

test('one way hits what is sent over connections of both sides, answers included', () => {
  const act = { kind: 'partition' } as const
  const out = ['1>2 ORIGINAL', '2>1 REPLY']
  const into = ['1>2 REPLY', '2>1 ORIGINAL']
  assert.deepEqual(faults({ way: 'out', from: [2], act }), out)
  assert.deepEqual(faults({ way: 'in', from: [2], act }), into)
  assert.deepEqual(faults({ way: 'both', from: [2], act }), [...out, ...into].sort())
  // A client is never connected to.
  assert.deepEqual(faults({ way: 'out', from: [CLIENTS], act }), ['0>1 REPLY'])
  assert.deepEqual(faults({ way: 'both', from: [CLIENTS, 3], act }).length, 6)
})

test('a throttle has one limit for all that it hits, and lets at least a few packets pass', () => {
  const rules = faultRules('f', 1, {
    way: 'both',
    from: [2, 3],
    act: { kind: 'throttle', bytesPerSecond: 65_536 },
  })
  assert.deepEqual(rules.match(/--hashlimit-above \S+ --hashlimit-burst \S+/g), [
    '--hashlimit-above 64kb/s --hashlimit-burst 256kb',
  ])
})

test('a delay leads every connection of the broker through a port of its own, each way as late as it is to be', () => {
  const delay = { kind: 'delay', byMs: 200, jitterMs: 0, seed: 1 } as const
  const relayed = (effect: NetworkEffect): string[] =>
    relayedBy(1, effect, brokers).map(({ mark, port, upMs, downMs }) => {
      const [pair] = [...marks].find(([, each]) => each === String(mark))!
      return `${pair} at ${port}: ${upMs}, ${downMs}`
    })
  assert.deepEqual(relayed({ way: 'out', from: [2], act: delay }), [
    '1>2 at 102: 200, 0',
    '1>2 at 202: 200, 0',
    '2>1 at 101: 0, 200',
    '2>1 at 201: 0, 200',
  ])
  assert.deepEqual(relayed({ way: 'in', from: [CLIENTS], act: delay }), [
    '0>1 at 101: 200, 0',
    '0>1 at 201: 200, 0',
  ])
  assert.equal(relayed({ way: 'both', from: [CLIENTS, 2, 3], act: delay }).length, 10)
})

test('what was connected before a delay is reset, and a relay is led through none', () => {
  const effect = { way: 'both', from: [2], act: { kind: 'delay', byMs: 9, jitterMs: 0, seed: 1 } } as const
  const all = relayedBy(1, effect, brokers)
  const ports = all.map((_, index) => 9_000 + index)
  const rules = relayRules('f', all, ports)
  assert.deepEqual(
    [...rules.matchAll(/--to-ports (\d+)/g)].map(([, port]) => Number(port)),
    ports,
  )
  assert.equal(
    rules.match(/--ctdir ORIGINAL -m conntrack ! --ctstate DNAT -j f-do/g)?.length,
    2,
    'of each pair what the opener sends',
  )
  const gids = [...pairRules(brokers).matchAll(/! --gid-owner (\d+)-(\d+)/g)].map(([, from, to]) => [
    from,
    to,
  ])
  for (const [from, to] of gids)
    assert.ok(
      Number(from) <= RELAY_GID && RELAY_GID <= Number(to),
      'its own connections are none of a client',
    )
})
