import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareFailures } from '../compare.ts'
import type { FailureFigures } from '../contract.ts'
import { type PageTask, renderPage } from './page.ts'
import type { RunTrace } from './trace.ts'

const trace: RunTrace = {
  lastsS: 20,
  throughput: [
    { at: 0, perSecond: 300 },
    { at: 0.25, perSecond: 0 },
  ],
  latency: [{ at: 0, p50Ms: 5, p99Ms: 1_200 }],
  gaps: [{ partition: 1, from: 5, to: 6.5, open: false }],
  partitions: 3,
  underReplicated: [
    { at: 0, count: 0 },
    { at: 5, count: 2 },
    { at: 14, count: 0 },
  ],
  marks: [
    { at: 5, kind: 'fault', text: 'kill: broker 1 <leads 2>' },
    { at: 5.2, kind: 'detected', text: 'detected: broker-dead of broker 1' },
    { at: 12, kind: 'over', text: 'kill is over' },
  ],
}
const spread = { median: 900, worst: 1_200 }
const figures: FailureFigures = {
  kind: 'broker-kill',
  runs: 1,
  detectionMs: 200,
  actedMs: spread,
  availabilityRestoredMs: spread,
  longestGapMs: spread,
  revertedMs: spread,
  redundancyRestoredMs: { median: null, worst: null },
  lost: 0,
  duplicated: 0,
  reordered: 0,
  healing: { incident: 'broker-dead', incidentRaised: 1, remedy: 'unregister', remedyDone: 0 },
  met: 0,
}
const expectations = [{ what: 'remedy', expected: 'unregister', found: 'none', met: false }]
const met = [{ what: 'lost', expected: '0', found: '0', met: true }]
const page: PageTask = {
  title: 'Failures & <faults>',
  at: Date.UTC(2026, 0, 2, 3, 4),
  version: '4.3.1',
  seed: 7,
  healer: 'ajna',
  failures: [figures],
  compared: { file: 'earlier.json', kinds: compareFailures([figures], [{ ...figures, lost: 3 }]) },
  runs: [
    { name: 'broker-kill', what: 'kill -9', expectations, trace, timeline: ['0.1  <b>bold</b>'] },
    { name: 'quiet', what: 'no fault', expectations: met, trace: { ...trace, marks: [] }, timeline: [] },
  ],
}

test('a page is whole in itself: no script, nothing from elsewhere, every tag closed', () => {
  const html = renderPage(page)
  assert.doesNotMatch(html, /<script|https?:|src=|@import|url\(/)
  const open: string[] = []
  for (const [, close, name, self] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
    if (self === '/' || name === 'meta') continue
    if (close === '') open.push(name!)
    else assert.equal(open.pop(), name)
  }
  assert.deepEqual(open, [])
  assert.doesNotMatch(html, /NaN|undefined|Infinity/)
})

test('what is shown by colour is said in words too, and what a run says cannot become markup', () => {
  const html = renderPage(page)
  for (const said of [
    '✗ 1 of 2 runs not as expected',
    '✗ 1 not',
    '0 → 3 WORSE',
    'remedy: expected unregister, found none',
    '<title>5 s: kill: broker 1 &lt;leads 2&gt;</title>',
    '&lt;b&gt;bold&lt;/b&gt;',
    'Failures &amp; &lt;faults&gt;',
    'never / never',
  ])
    assert.ok(html.includes(said), said)
  assert.doesNotMatch(html, /<b>/)
})

test('a page names its tables and pictures, and can be read without seeing them', () => {
  const html = renderPage(page)
  assert.match(html, /<html lang="en">/)
  for (const [table] of html.matchAll(/<table>.*?<\/table>/gs))
    assert.match(table, /<caption>.*<th scope="col".*<th scope="row">/s)
  for (const [svg] of html.matchAll(/<svg[^>]*>/g)) assert.match(svg, /role="img" aria-label="Timeline of/)
})
