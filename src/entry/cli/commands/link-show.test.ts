import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFixture } from '../../../../test/console/fixture.ts'
import { linkDetail, linkPartitionPage } from '../../api/views/links.ts'
import { renderLink } from './link-show.ts'

test('a link is shown by its counts, its worst partitions and every reason whole; what is left out is said', () => {
  const facts = createFixture('trouble')
    .platform.fleet()
    .links.find(({ name }) => name === 'edge-to-hub')!
  const query = {
    search: '',
    sort: 'urgency',
    order: 'asc',
    offset: 0,
    state: 'all',
    verdict: 'all',
  } as const
  const shown = (limit: number) =>
    renderLink(linkDetail(facts), linkPartitionPage(facts, { ...query, limit }))
  const few = shown(2)
  assert.match(
    few,
    /Partitions: \d+ copying, 1 blocked, 1 halted\. Verdicts: .*stalled.*Missing: 516 offsets in 2 gaps\./,
  )
  assert.match(few, /PARTITION[\s\S]*\nlogs\.edge-4 .*\nmetrics\.edge-1 /)
  assert.match(few, /\n18 more are not listed: --limit, --all/)
  assert.match(
    few,
    /metrics\.edge-1 is blocked: TOPIC_AUTHORIZATION_FAILED: User:link-edge-to-hub may not write to/,
  )
  assert.doesNotMatch(shown(500), /more are not listed/)
})
