import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { ConsoleMessage, Page } from 'playwright-core'
import { createApiClient, dataOf } from '../../src/entry/api/client.ts'
import type { Look } from './browser.ts'

/** A page of the console that is visited: what it is called in a screenshot's name, and its address. */
export interface PageToVisit {
  readonly name: string
  readonly path: string
  /** Seen when the page holds what it is for. */
  readonly ready: string
}

export interface Visit extends PageToVisit {
  /** From asking for the page until it held what it is for, ms. */
  readonly readyMs: number
}

export interface VisitOptions {
  /** Each page is looked at so, without loading it again; default: as the window is. */
  readonly looks?: readonly Look[]
  /** Told each page in each look; for screenshots. */
  readonly each?: (page: Page, visit: Visit, look: Look | undefined) => Promise<void>
}

const READY_MS = 15_000

/** The pages of whatever fleet is served: its own clusters, topics, links and buckets. */
export async function pagesOf(baseUrl: string, token: string): Promise<PageToVisit[]> {
  const client = createApiClient(baseUrl, token)
  const fleet = dataOf(await client.GET('/api/fleet'))
  const topics = dataOf(
    await client.GET('/api/topics', { params: { query: { sort: 'records', order: 'desc', limit: 20 } } }),
  ).items
  const links = dataOf(await client.GET('/api/links')).links
  const tests = dataOf(await client.GET('/api/tests')).items
  const switched = links.find(({ sides }) => sides?.underWay != null)
  const now = Date.now()
  const buckets = dataOf(
    await client.GET('/api/completeness', { params: { query: { from: now - 12 * 3_600_000, to: now } } }),
  ).buckets
  const cluster = (fleet.clusters.find(each => each.state !== 'healthy') ?? fleet.clusters[0])!
  const topic = topics.find(each => each.name.startsWith('logs.')) ?? topics[0]
  const bucket =
    buckets.find(each => each.tiers.some(tier => tier.state === 'missing')) ??
    buckets.filter(each => each.closed).at(-1)
  const row = 'tbody tr'
  return [
    { name: 'fleet', path: '/', ready: row },
    { name: 'cluster', path: `/clusters/${cluster.name}`, ready: '.stats' },
    { name: 'cluster-broker', path: `/clusters/${cluster.name}/brokers/1`, ready: '.drawer, .empty' },
    {
      name: 'cluster-partitions',
      path: `/clusters/${cluster.name}/partitions?sort=state`,
      ready: `${row}, .empty`,
    },
    { name: 'cluster-groups', path: `/clusters/${cluster.name}/groups`, ready: `${row}, .empty` },
    { name: 'topics', path: '/topics', ready: `${row}, .empty` },
    ...(topic === undefined
      ? []
      : [
          { name: 'topic', path: `/topics/${topic.name}`, ready: row },
          {
            name: 'topic-messages',
            path: `/topics/${topic.name}/messages?partition=0`,
            ready: `${row}, .empty`,
          },
          { name: 'topic-config', path: `/topics/${topic.name}/config`, ready: row },
        ]),
    { name: 'links', path: '/links', ready: `${row}, .empty` },
    ...(links.length === 0
      ? []
      : [{ name: 'link', path: `/links/${links[0]!.name}?state=unhealthy`, ready: `${row}, .empty` }]),
    ...(links.length === 0
      ? []
      : [
          {
            name: 'link-rehearsal',
            path: `/links/${links[0]!.name}/rehearsal?unplanned=true`,
            ready: '.command',
          },
        ]),
    ...(switched === undefined
      ? []
      : [{ name: 'link-switch', path: `/links/${switched.name}`, ready: '.steps' }]),
    { name: 'logs', path: '/logs', ready: '.tail, .empty' },
    { name: 'logs-query', path: '/logs/query', ready: '.editor' },
    { name: 'metrics', path: '/metrics/host', ready: '.chart canvas, .empty' },
    { name: 'metrics-broker', path: '/metrics/broker', ready: '.chart canvas, .empty' },
    { name: 'completeness', path: '/completeness', ready: '.heat, .empty' },
    ...(bucket === undefined
      ? []
      : [{ name: 'completeness-bucket', path: `/completeness/${bucket.bucket}`, ready: `.section ${row}` }]),
    { name: 'incidents', path: '/incidents', ready: `${row}, .empty` },
    { name: 'tests', path: '/tests', ready: `${row}, .empty` },
    { name: 'tests-library', path: '/tests/library', ready: `${row}, .empty` },
    ...tests
      .filter(
        ({ state }, index) =>
          ['running', 'missed'].includes(state) && tests.findIndex(each => each.state === state) === index,
      )
      .map(({ id, state }) => ({ name: `test-${state}`, path: `/tests/${id}`, ready: '.scenario' })),
    { name: 'activity', path: '/activity', ready: `${row}, .empty` },
  ]
}

/**
 * Signs in and visits every page of a fleet: each must come to hold what it is for, without an error panel, without a
 * complaint of the browser or of axe, without being wider than its window, in every look.
 */
export async function visitPages(
  page: Page,
  baseUrl: string,
  token: string,
  { looks = [], each }: VisitOptions = {},
): Promise<Visit[]> {
  const complaints: string[] = []
  const complained = (message: ConsoleMessage): void => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  }
  const failed = (error: Error): void => void complaints.push(error.message)
  page.on('console', complained)
  page.on('pageerror', failed)
  try {
    await page.goto(`${baseUrl}/login?token=${token}`)
    const visits: Visit[] = []
    for (const target of await pagesOf(baseUrl, token)) {
      const visit = { ...target, readyMs: await open(page, baseUrl, target) }
      const asked = new Set<unknown>()
      for (const look of looks.length === 0 ? [undefined] : looks) {
        await assume(page, look)
        await assertFits(page, target.name, look)
        // axe sees colours by scheme and layout by width: it is asked (a second each) for what it has not seen.
        if (!asked.has(look?.scheme) || !asked.has(look?.width)) {
          assert.deepEqual(await axeFindings(page), [], `${target.name}: axe`)
        }
        asked.add(look?.scheme).add(look?.width)
        await each?.(page, visit, look)
      }
      assert.deepEqual(complaints.splice(0), [], `${target.name}: the browser complained`)
      visits.push(visit)
    }
    return visits
  } finally {
    page.off('console', complained)
    page.off('pageerror', failed)
  }
}

async function open(page: Page, baseUrl: string, { path, ready }: PageToVisit): Promise<number> {
  const begun = performance.now()
  await page.goto(baseUrl + path, { waitUntil: 'commit' })
  await page.locator(ready).first().waitFor({ timeout: READY_MS })
  await page.locator('.loading').waitFor({ state: 'detached', timeout: READY_MS })
  return performance.now() - begun
}

async function assume(page: Page, look: Look | undefined): Promise<void> {
  if (look === undefined) return
  await page.emulateMedia({ colorScheme: look.scheme, reducedMotion: 'reduce' })
  await page.setViewportSize(look)
  // Two frames: charts follow a resize observer.
  await page.evaluate('new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
}

async function assertFits(page: Page, name: string, look: Look | undefined): Promise<void> {
  assert.deepEqual(await page.locator('.error-panel').allTextContents(), [], `${name} shows an error`)
  const wider = Number(await page.evaluate('document.documentElement.scrollWidth - window.innerWidth'))
  assert.ok(wider <= 0, `${name} is ${wider} px wider than its window (${look?.width ?? 'as given'} px)`)
  if (look === undefined || look.width < WIDE_PX) return
  assert.deepEqual(await page.evaluate(CUT_OFF), [], `${name}: headings or figures are cut off`)
}

/** From this width on every heading and figure is whole; texts may end in an ellipsis, their whole is in the title. */
const WIDE_PX = 1280
const CUT_OFF = `[...document.querySelectorAll('.table-frame :is(th, th *, td.number, td.number *)')]
  .filter(cell => cell.scrollWidth > cell.clientWidth)
  .map(cell => (cell.closest('table').querySelector('caption')?.textContent ?? '') + ': ' + cell.textContent)`

const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe-core finds, one line each. Evaluated, not loaded: the page’s policy allows no foreign script. */
export async function axeFindings(page: Page): Promise<string[]> {
  if ((await page.evaluate('typeof window.axe')) === 'undefined') await page.evaluate(await axeSource)
  const found = (await page.evaluate(
    "window.axe.run(document, { resultTypes: ['violations'] })",
  )) as AxeResults
  return found.violations.flatMap(({ id, help, nodes }) =>
    nodes
      .slice(0, 4)
      .map(node => `${id}: ${help}: ${node.html.slice(0, 160)} ${node.failureSummary?.slice(0, 300) ?? ''}`),
  )
}
