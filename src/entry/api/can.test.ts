import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFixture } from '../../../test/console/fixture.ts'
import { canActOnLink } from './can.ts'
import type { LinkAct } from './models.ts'
import type { LinkFacts } from './platform.ts'

const running = createFixture('calm').platform.fleet().links[0]!
const link = (more: Partial<LinkFacts>): LinkFacts => ({ ...running, ...more })

const CASES: readonly [
  what: string,
  link: LinkFacts,
  refused: Readonly<Record<LinkAct, RegExp | null>>,
  others?: readonly LinkFacts[],
][] = [
  [
    'a declared link that runs well: whether it runs is everybody’s to say',
    link({ owner: 'fleet' }),
    { pause: null, resume: /to run already/, 'restart-failed': /no partition .* halted/ },
  ],
  [
    'one with a halted partition',
    link({ haltedPartitions: 1, state: 'halted' }),
    { pause: null, resume: /to run already/, 'restart-failed': null },
  ],
  [
    'one that no worker speaks of',
    link({ haltedPartitions: 1, state: 'unknown', reason: 'a mirror worker no longer answers' }),
    { pause: null, resume: /to run already/, 'restart-failed': /nobody would take it up: a mirror worker/ },
  ],
  [
    'one that is paused',
    link({ desired: 'paused', state: 'stopped', haltedPartitions: 0 }),
    { pause: /paused already/, resume: null, 'restart-failed': /is paused: resume it/ },
  ],
  [
    'one that was not taken up yet',
    link({ owner: null, desired: null, state: 'unknown' }),
    { pause: /not in the links’ journal/, resume: /not in the/, 'restart-failed': /not in the/ },
  ],
  [
    'one whose target is the original now',
    link({ desired: 'stopped', state: 'stopped', sides: { phase: 'promoted', underWay: null } }),
    { pause: /stopped already/, resume: /switched \(promoted\)/, 'restart-failed': /is stopped/ },
  ],
  [
    'a way back that was paused, its link’s source being a copy',
    link({ name: 'a.back', owner: 'switch', reverseOf: 'a', desired: 'paused', state: 'stopped' }),
    { pause: /paused already/, resume: null, 'restart-failed': /is paused/ },
    [link({ name: 'a', sides: { phase: 'returning', underWay: null } })],
  ],
  [
    'a way back while the switch is under way',
    link({ name: 'a.back', owner: 'switch', reverseOf: 'a', haltedPartitions: 1 }),
    { pause: /failback of a is under way/, resume: /under way/, 'restart-failed': /under way/ },
    [
      link({
        name: 'a',
        sides: {
          phase: 'returning',
          underWay: {
            action: 'failback',
            planned: true,
            startedAt: 1,
            step: null,
            stuck: null,
            here: false,
            steps: [],
          },
        },
      }),
    ],
  ],
]

for (const [what, subject, refused, others = []] of CASES) {
  test(`what may be told to a link, and why not: ${what}`, () => {
    for (const act of ['pause', 'resume', 'restart-failed'] as const) {
      const { allowed, reasons } = canActOnLink(subject, act, [subject, ...others])
      const expected = refused[act]
      assert.equal(allowed, expected === null, `${act}: ${reasons.join()}`)
      if (expected !== null) assert.match(reasons.join('; '), expected)
    }
  })
}
