import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAjnaError } from '../../foundation/errors/errors.ts'
import { chooseBrokers } from './choose.ts'
import { failureKinds, figuresOf, kindsNamed, spreadOf } from './failures.ts'
import { layoutOf } from './plan.ts'
import { inTurn, operationsLastMs, operationText, versionsOf } from './planned/schema.ts'
import { firstComment } from './records/library.ts'
import { type BrokerChoice, lastsMs, readScenario, replicationOf, scenarioOf } from './scenario.ts'

const LIBRARY = new URL('../../../config/scenarios/', import.meta.url)

const base = `name: leader-killed
seed: 7
cluster: { nodes: 3, partitions: 6, replication: 3 }
load: { rate: 300, recordSize: 200B, requestTimeout: 3s }
faults:
  - { at: 5s, fault: kill, broker: leader, for: 12s }
expect: { lost: 0, duplicated: 0, availabilityRestoredWithin: 15s }
`

test('a scenario is read, with what it leaves out filled in', () => {
  const scenario = readScenario(base, 'a.yaml')
  assert.deepEqual(scenario.faults, [{ at: 5_000, fault: 'kill', broker: ['leader'], for: 12_000 }])
  assert.equal(scenario.load.producers, 2)
  assert.equal(scenario.expect.redundancyRestored, true)
  assert.equal(replicationOf(scenarioOf({ name: 'small', cluster: { nodes: 1 } })), 1)
  assert.equal(lastsMs(scenario), 5_000 + 12_000 + 90_000)
})

const library = readdirSync(LIBRARY).map(name => {
  const text = readFileSync(new URL(name, LIBRARY), 'utf8')
  return { name, text, scenario: readScenario(text, name) }
})

test('every scenario that comes with the program is allowed, says what it is for, and which alert it must raise', () => {
  assert.ok(library.length >= 25, `${library.length} scenarios`)
  for (const { name, text, scenario } of library) {
    assert.equal(`${scenario.name}.yaml`, name)
    assert.match(firstComment(text), /^.{20,}$/, name)
    assert.ok(text.startsWith('# '), `${name} begins with what it is for`)
    assert.ok(scenario.expect.incident !== undefined, `${name} raises an alert, or none`)
  }
  const seeds = library.map(({ scenario }) => scenario.seed)
  assert.equal(new Set(seeds).size, seeds.length)
})

test('every kind of failure that is measured is a scenario too, that expects the same', () => {
  for (const { name, faults, impaired, expect, setting } of failureKinds) {
    const measured = scenarioOf({ name, ...setting, faults: [...faults] })
    const [first] = measured.faults
    const { incident, remedy, proposed } = expect
    const found = library.filter(({ scenario }) => {
      const [fault] = scenario.faults
      const { at: _, ...done } = fault ?? { at: 0 }
      const { at: __, ...wanted } = first!
      return (
        scenario.faults.length === faults.length &&
        JSON.stringify(done) === JSON.stringify(wanted) &&
        scenario.impaired === impaired &&
        scenario.cluster.minInSync === measured.cluster.minInSync &&
        scenario.load.succession === measured.load.succession &&
        scenario.expect.proposed === proposed &&
        scenario.expect.incident === incident &&
        JSON.stringify(scenario.expect.remedy) === JSON.stringify(remedy)
      )
    })
    assert.ok(found.length > 0, `${name} has no scenario`)
  }
})

const hostile: readonly (readonly [what: string, from: string, to: string, ...said: RegExp[]])[] = [
  [
    'an unknown fault',
    'fault: kill',
    'fault: kil',
    /a\.yaml:6:\d+ faults\[0\]\.fault: found "kil"/,
    /did you mean kill/,
  ],
  [
    'a negative time',
    'at: 5s',
    'at: -5s',
    /a\.yaml:6:\d+ faults\[0\]\.at: found "-5s"/,
    /duration with its unit/,
  ],
  ['a time without a unit', 'for: 12s', 'for: 12', /faults\[0\]\.for/],
  [
    'a delay of what is no slow disk',
    'for: 12s',
    'for: 12s, delay: 1s',
    /delay of a kill; allowed: delay of a disk-slow only/,
  ],
  [
    'an incident that there is not',
    'lost: 0,',
    'lost: 0, incident: broker-ded,',
    /expect\.incident: found "broker-ded"/,
    /broker-dead/,
  ],
  ['a fault of no time', 'for: 12s', 'for: 0s', /from 100ms to 10m/],
  [
    'a node that is not there',
    'broker: leader',
    'broker: 4',
    /found broker 4; allowed: broker ids from 1 to 3/,
  ],
  [
    'a role nobody has',
    'broker: leader',
    'broker: boss',
    /faults\[0\]\.broker/,
    /leader, controller, follower/,
  ],
  ['the same broker twice', 'broker: leader', 'broker: [2, 2]', /a broker twice/],
  ['more brokers than there are', 'broker: leader', 'broker: [any, any, any, any]', /4 brokers/],
  ['an absurd rate', 'rate: 300', 'rate: 1000000000', /load\.rate: found 1000000000; allowed: .*20,000/],
  [
    'a rate that would fill the disk',
    'rate: 300, recordSize: 200B',
    'rate: 20000, recordSize: 32KiB',
    /GiB on the brokers/,
  ],
  ['a negative rate', 'rate: 300', 'rate: -1', /load\.rate/],
  ['a record too small to say who it is', 'recordSize: 200B', 'recordSize: 3B', /from 24B/],
  ['more replicas than nodes', 'replication: 3', 'replication: 4', /cluster\.replication.*at most 3/],
  ['more in sync than replicas', 'replication: 3', 'minInSync: 4', /cluster\.minInSync.*at most 3/],
  ['more controllers than nodes', 'replication: 3', 'controllers: 4', /cluster\.controllers.*at most 3/],
  ['leaders of a succession', 'rate: 300', 'succession: true, leaders: [1]', /leaders or succession/],
  [
    'an end by no fault',
    'for: 12s',
    'untilFault: 2',
    /faults\[0\]\.untilFault: found 2; allowed: .* later fault/,
  ],
  ['no partitions', 'partitions: 6', 'partitions: 0', /cluster\.partitions/],
  ['an expected loss', 'lost: 0', 'lost: 3', /no test may expect to lose/],
  ['an unknown key', 'seed: 7', 'sed: 7', /the unknown key "sed"/, /did you mean seed/],
  ['times of a fault that happens once', 'for: 12s', 'times: 3', /times of a kill/],
  ['a name that is no name', 'name: leader-killed', 'name: ../../etc', /lower-case letters/],
  ['an end beyond all patience', 'at: 5s', 'at: 40m', /0s to 30m/],
  ['a clock that is right', 'fault: kill', 'fault: clock-skew', /a clock that is right; allowed: ahead: 10m/],
  [
    'a clock on both sides of the truth',
    'fault: kill',
    'fault: clock-skew, ahead: 10m, behind: 10m',
    /ahead and behind; allowed/,
  ],
  ['a clock of another age', 'fault: kill', 'fault: clock-skew, ahead: 52w', /from 1s|1s to 24h/],
  ['a delay by nothing', 'fault: kill', 'fault: delay', /a delay by nothing; allowed: by: 200ms/],
  ['a delay by an hour', 'fault: kill', 'fault: delay, by: 1h', /faults\[0\]\.by.*1ms to 5s/],
  [
    'a jitter beyond the delay: bytes would come before they are sent',
    'fault: kill',
    'fault: delay, by: 10ms, jitter: 20ms',
    /faults\[0\]\.jitter.*at most 10ms/,
  ],
  ['a kill that is late', 'for: 12s', 'by: 5ms', /by and jitter of a delay only/],
  [
    'a release that nobody knows',
    'nodes: 3,',
    'nodes: 3, version: 4.9.9,',
    /a\.yaml:3:\d+ cluster\.version: found "4\.9\.9"/,
    /4\.3\.1/,
  ],
  [
    'a release that has no controllers',
    'nodes: 3,',
    'nodes: 3, version: 2.8.2,',
    /cluster\.version: found "2\.8\.2"/,
  ],
  [
    'a setting that would make a node another one',
    'nodes: 3,',
    'nodes: 3, config: { node.id: 7 },',
    /cluster\.config/,
    /the test’s own/,
  ],
  [
    'a setting of two lines',
    'nodes: 3,',
    'nodes: 3, config: { log.retention.ms: "1\\nnode.id=7" },',
    /on one line/,
  ],
  [
    'a name that is none of Kafka’s',
    'nodes: 3,',
    'nodes: 3, config: { "$(rm -rf /)": 1 },',
    /num\.io\.threads/,
  ],
  ['a gap that no clock here can tell', 'lost: 0,', 'lost: 0, longestGapWithin: 1ms,', /from 500ms to 30m/],
  ['no map at all', base, '- kill everything\n', /a\.yaml:1:1/],
]

for (const [what, from, to, ...said] of hostile)
  test(`${what} is refused with its line and what is allowed`, () => {
    assert.ok(base.includes(from))
    assert.throws(
      () => readScenario(base.replace(from, to), 'a.yaml'),
      (error: unknown) => {
        assert.ok(isAjnaError(error, 'CONFIG_INVALID'))
        assert.equal(error.exit, 2)
        for (const each of said) assert.match(error.message, each)
        return true
      },
    )
  })

const planned = (...operations: string[]): string =>
  `name: planned\ncluster: { version: 4.2.2 }\noperations:\n${operations.map(each => `  - { ${each} }\n`).join('')}`

const hostilePlans: readonly (readonly [what: string, operations: readonly string[], ...said: RegExp[]])[] = [
  [
    'an unknown operation',
    ['at: 1s, operation: upgrad, to: 4.3.1'],
    /a\.yaml:4:\d+ operations\[0\]\.operation: found "upgrad"/,
    /did you mean upgrade/,
  ],
  [
    'an upgrade to nothing',
    ['at: 1s, operation: upgrade'],
    /upgrade without a release; allowed: to: 4\.3\.1/,
  ],
  [
    'an upgrade to what runs',
    ['at: 1s, operation: upgrade, to: 4.2.2'],
    /upgrade from 4\.2\.2 to 4\.2\.2; allowed: a release after 4\.2\.2/,
  ],
  ['an upgrade backwards', ['at: 1s, operation: upgrade, to: 3.9.2'], /a release after 4\.2\.2/],
  [
    'a downgrade below what the cluster was made with',
    ['at: 1s, operation: downgrade, to: 3.9.2'],
    /features are finalized at 4\.2\.2/,
    /never below the release/,
  ],
  [
    'a downgrade of what is finalized',
    ['at: 1s, operation: upgrade, to: 4.3.1, finalize: true', 'at: 2s, operation: downgrade, to: 4.2.2'],
    /a\.yaml:5:\d+ operations\[1\]\.to: found downgrade to 4\.2\.2 of a cluster whose features are finalized at 4\.3\.1/,
  ],
  [
    'the same, written in another order than it is done',
    ['at: 9s, operation: downgrade, to: 4.2.2', 'at: 1s, operation: upgrade, to: 4.3.1, finalize: true'],
    /a\.yaml:4:\d+ operations\[0\]\.to: found downgrade/,
  ],
  ['a restart to another release', ['at: 1s, operation: restart, to: 4.3.1'], /to of a restart/],
  ['a restart that is finalized', ['at: 1s, operation: restart, finalize: true'], /finalize of a restart/],
  ['a configure of nothing', ['at: 1s, operation: configure, set: {}'], /a configure of nothing/],
  [
    'what is finalized and taken back',
    ['at: 1s, operation: upgrade, to: 4.3.1, finalize: true, ends: taken-back'],
    /cannot be taken back/,
  ],
  ['a restart in no time', ['at: 1s, operation: restart, within: 1s'], /from 10s to 20m/],
  [
    'more than half an hour of it',
    ['at: 1s, operation: restart, within: 20m', 'at: 1s, operation: restart, within: 20m'],
    /a test of 42 minutes; allowed: at most 30/,
  ],
]

for (const [what, operations, ...said] of hostilePlans)
  test(`${what} is refused with its line and what is allowed`, () => {
    assert.throws(
      () => readScenario(planned(...operations), 'a.yaml'),
      (error: unknown) => {
        assert.ok(isAjnaError(error, 'CONFIG_INVALID'))
        for (const each of said) assert.match(error.message, each)
        return true
      },
    )
  })

test('operations follow one another, and what is to be taken back changes nothing for those after it', () => {
  const scenario = readScenario(
    planned(
      'at: 20s, operation: downgrade, to: 4.2.2',
      'at: 5s, operation: upgrade, to: 4.3.1, within: 1m',
      'at: 1s, operation: upgrade, to: 4.3.1, within: 30s, ends: taken-back',
    ),
    'a.yaml',
  )
  assert.deepEqual(versionsOf(scenario), ['4.2.2', '4.3.1'])
  assert.deepEqual(inTurn(scenario.operations).map(operationText), [
    'upgrade to 4.3.1',
    'upgrade to 4.3.1',
    'downgrade to 4.2.2',
  ])
  assert.equal(operationsLastMs(scenario.operations), 31_000 + 60_000 + 300_000)
})

const facts = [
  { id: 1, leads: 2, controller: true },
  { id: 2, leads: 2, controller: false },
  { id: 3, leads: 1, controller: false },
  { id: 4, leads: 0, controller: false },
]
const chosen = (choices: readonly BrokerChoice[], random = () => 0): readonly number[] | string => {
  const answer = chooseBrokers(choices, facts, random)
  return answer.kind === 'none' ? answer.reason : answer.brokers.map(({ id }) => id)
}

test('victims are what was asked for, and each a different one', () => {
  assert.deepEqual(chosen(['leader']), [2])
  assert.deepEqual(chosen(['controller']), [1])
  assert.deepEqual(chosen(['follower']), [4])
  assert.deepEqual(chosen([3, 'leader']), [3, 2])
  assert.deepEqual(
    chosen(['any', 'any'], () => 0.99),
    [4, 3],
  )
  assert.deepEqual(chosen(['all']), [1, 2, 3, 4])
  assert.deepEqual(
    chooseBrokers(['last'], [...facts, { ...facts[3]!, id: 5, last: true }], () => 0),
    {
      kind: 'chosen',
      brokers: [{ ...facts[3]!, id: 5, last: true }],
    },
  )
  assert.match(String(chosen(['last'])), /no broker is left for "last"/)
  assert.match(String(chosen(['follower', 'follower'])), /no broker is left for "follower"/)
  assert.match(String(chosen([9])), /no broker is left for 9/)
  assert.equal(chooseBrokers(['all'], [], () => 0).kind, 'none')
})

test('replicas are distinct, and only brokers that may lead come first', () => {
  const cluster = fc.integer({ min: 1, max: 5 }).chain(nodes =>
    fc.record({
      nodes: fc.constant(nodes),
      partitions: fc.integer({ min: 1, max: 40 }),
      replication: fc.integer({ min: 1, max: nodes }),
      leading: fc.integer({ min: 1, max: nodes }),
    }),
  )
  fc.assert(
    fc.property(cluster, ({ nodes, partitions, replication, leading }) => {
      const brokers = Array.from({ length: nodes }, (_, index) => index + 1)
      const leaders = brokers.slice(0, leading)
      const layout = layoutOf(partitions, replication, brokers, leaders)
      assert.equal(layout.length, partitions)
      for (const replicas of layout) {
        assert.ok(leaders.includes(replicas[0]!))
        assert.equal(new Set(replicas).size, replication)
      }
      const led = leaders.map(id => layout.filter(([first]) => first === id).length)
      assert.ok(Math.max(...led) - Math.min(...led) <= 1)
    }),
  )
})

test('never is worse than any time', () => {
  assert.deepEqual(spreadOf([3, null, 1]), { median: 3, worst: null })
  assert.deepEqual(spreadOf([4, 1]), { median: 4, worst: 4 })
  assert.deepEqual(spreadOf([null, null, 1]), { median: null, worst: null })
  assert.deepEqual(spreadOf([]), { median: null, worst: null })
  assert.equal(figuresOf({ name: 'broker-kill', expect: {} }, []).detectionMs, null)
})

test('every kind of failure is a scenario that is allowed, and says what must be told of it', () => {
  for (const { name, faults, impaired, expect, setting, prelude = 0 } of failureKinds) {
    assert.ok(prelude < faults.length, `${name}: a failure after what prepares it`)
    scenarioOf({ name, ...setting, faults: [...faults], ...(impaired === undefined ? {} : { impaired }) })
    assert.ok((expect.incident ?? expect.remedy) !== undefined, `${name}: an incident, a remedy, or none`)
  }
  assert.equal(new Set(failureKinds.map(({ name }) => name)).size, failureKinds.length)
})

test('an unknown kind is told with those there are; what impairs the healer needs one', () => {
  assert.equal(kindsNamed(['crash-loop'])[0]!.name, 'crash-loop')
  assert.throws(() => kindsNamed(['meteor']), /"meteor" is not among broker-kill/)
  assert.equal(kindsNamed(['healer-dies'], 'on')[0]!.impaired, 'healer-dies')
  assert.throws(
    () => kindsNamed(['healer-dies'], 'off'),
    /"healer-dies" is not among .*\(it needs a healer\)/,
  )
  assert.ok(kindsNamed(undefined, 'off').every(({ impaired }) => impaired === undefined))
  assert.ok(kindsNamed(undefined, 'on').length >= 15)
})
