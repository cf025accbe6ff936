import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { dataOf } from '../../src/entry/api/client.ts'
import { clusterAddress, readFleetFile } from '../../src/entry/fleet-file.ts'
import { openCluster } from '../../src/foundation/kafka/admin.ts'
import { identity } from '../../src/foundation/tls/store.ts'
import type { StreamVerdict } from '../../src/operations/completeness/contract.ts'
import { ADMIN_PRINCIPAL } from '../../src/operations/fleet/contract.ts'
import { startBrowser } from '../console/browser.ts'
import { visitPages } from '../console/pages.ts'
import { type FleetUnderTest, startFleet, until } from './harness.ts'

/** The two-site fleet with files of the test's own among those it ships. */
const EXAMPLE = fileURLToPath(new URL('../../config/two-sites.yaml', import.meta.url))
const LINES = Number(process.env['AJNA_TEST_LINES'] ?? 1_000_000)
const RATE = Number(process.env['AJNA_TEST_RATE'] ?? 10_000)
const ROTATE_EVERY = Math.max(500, Math.ceil(LINES / 9 / 500) * 500)
const THROUGH_MS = 240_000
/** The archive commits every two minutes. */
const ARCHIVED_MS = 240_000

const spec = (await readFile(EXAMPLE, 'utf8')).replace(
  '      - /var/log/*.log',
  '      - $HERE/files/*.log\n      - /var/log/*.log',
)

test('the main job', { timeout: 1_080_000 + (LINES / RATE) * 1_000 }, async t => {
  await using fleet = await startFleet(spec)
  const file = join(fleet.folder, 'files', 'load.log')
  let bytes = 0

  await t.test('every process killed in turn under load: nothing is lost, nothing repeated', async () => {
    const writer = spawn(process.execPath, [
      fileURLToPath(new URL('write-lines.ts', import.meta.url)),
      file,
      ...[LINES, RATE, ROTATE_EVERY].map(String),
    ])
    let report = ''
    writer.stdout.on('data', piece => (report += piece))
    const written = once(writer, 'close')
    await until('lines arrive', 60_000, async () => (await countLines(fleet, file)) > 0)
    for (const name of ['kafka-edge-2', 'kafka-hub-3', 'agent', 'mirror', 'archive', 'auditor', 'control']) {
      const killedAt = Date.now()
      const restartedMs = await fleet.killAndAwait(name)
      await until(`lines written after the end of ${name} come through`, 90_000, async () => {
        const { count, newest } = await linesSeen(fleet, file)
        return newest > killedAt || count === LINES
      })
      const flowsMs = Date.now() - killedAt
      process.stderr.write(
        `# kill -9 ${name}: another runs after ${seconds(restartedMs)}, lines written after the kill are seen after ${seconds(flowsMs)}\n`,
      )
    }
    await written
    const said = JSON.parse(report) as { lines: number; bytes: number; rotations: number }
    const { lines, rotations } = said
    bytes = said.bytes
    assert.equal(lines, LINES)
    await until(
      'every line has come through',
      THROUGH_MS,
      async () => (await countLines(fleet, file)) >= LINES,
    )
    const [[rows, distinct, length] = []] = await fleet.query(
      `SELECT count(*), count(DISTINCT regexp_extract(line, 'line (\\d+)', 1)), sum(length) FROM logs WHERE file = '${file}'`,
    )
    assert.deepEqual([Number(rows), Number(distinct), Number(length)], [LINES, LINES, bytes])
    process.stderr.write(
      `# ${LINES} lines, ${bytes} bytes, ${rotations} rotations: each once in archive and tail\n`,
    )
    await until('both clusters agree with the files to the byte', 120_000, async () => {
      await assertHeld(fleet, file, bytes, ['local', 'aggregate'])
      return true
    })
  })

  await t.test(
    'what happened is in the activity: each kill, from its end to its being ready again',
    async () => {
      const names = ['kafka-edge-2', 'kafka-hub-3', 'agent', 'mirror', 'archive', 'auditor', 'control']
      await until('every restart is told to its end', 90_000, async () => {
        const query = { limit: 100, search: 'ended by' }
        const { items } = dataOf(await fleet.api.GET('/api/activity', { params: { query } }))
        const done = items.filter(({ action, outcome }) => action === 'process.restart' && outcome === 'done')
        const untold = names.filter(name => !done.some(({ summary }) => summary.startsWith(`${name} `)))
        if (untold.length > 0) throw new Error(`not told: ${untold.join(', ')}`)
        return true
      })
    },
  )

  await t.test('metrics are charted within ten seconds of being measured', async () => {
    await until('a delay is known', 30_000, async () => {
      const { eventToInsight } = dataOf(await fleet.api.GET('/api/fleet'))
      if (eventToInsight === null || eventToInsight.samples < 50) return false
      process.stderr.write(
        `# event to insight p50 ${eventToInsight.p50Ms} ms, p95 ${eventToInsight.p95Ms} ms\n`,
      )
      return eventToInsight.p95Ms < 10_000
    })
  })

  await t.test('drift is shown and repaired', async () => {
    const file = join(fleet.folder, 'fleet.yaml')
    assert.equal((await fleet.ajna('plan', '-f', file, '--json')).code, 0)
    await alterByHand(fleet)
    const planned = await fleet.ajna('plan', '-f', file)
    assert.match(planned.out, /logs\.edge/)
    assert.match(planned.out, /drift/)
    assert.equal((await fleet.ajna('apply', '-f', file)).code, 0)
    const again = JSON.parse((await fleet.ajna('plan', '-f', file, '--json')).out) as { steps: unknown[] }
    assert.deepEqual(again.steps, [])
  })

  await t.test('a third cluster is onboarded by adding it to the file and nothing else', async () => {
    const file = join(fleet.folder, 'fleet.yaml')
    const before = await readFile(file, 'utf8')
    const after = before
      .replace('clusters:\n', 'clusters:\n  lab: { site: edge, version: 4.3.1, brokers: 1 }\n')
      .replace(
        'topics:\n',
        'topics:\n  orders: { cluster: lab, tenant: platform, partitions: 2, replicationFactor: 1, minInsyncReplicas: 1 }\n',
      )
    await writeFile(file, after)
    const applied = await fleet.ajna('apply', '-f', file)
    assert.equal(applied.code, 0, applied.err + applied.out)
    await until('the console shows it', 60_000, async () => {
      const { clusters } = dataOf(await fleet.api.GET('/api/fleet'))
      return clusters.some(({ name, state }) => name === 'lab' && state === 'healthy')
    })
    const topic = dataOf(
      await fleet.api.GET('/api/topics/{topic}', { params: { path: { topic: 'orders' } } }),
    )
    assert.deepEqual(
      topic.clusters.map(({ cluster }) => cluster),
      ['lab'],
    )
  })

  await t.test('every page of the console shows this fleet', async () => {
    await using browser = await startBrowser()
    const window = await browser.open({ scheme: 'dark', width: 1280, height: 800 })
    const visits = await visitPages(await window.newPage(), fleet.base, fleet.token)
    assert.ok(visits.length >= 10)
  })

  await t.test('in the end the archive agrees with the files to the byte as well', async () => {
    await until('the archive holds every byte', ARCHIVED_MS, async () => {
      await assertHeld(fleet, file, bytes, ['local', 'aggregate', 'archive'])
      return true
    })
  })
})

/** Lines of a file and of what rotation made of it: streams are announced under the name they were first seen at. */
async function linesSeen(
  fleet: FleetUnderTest,
  file: string,
): Promise<{ readonly count: number /** When it was written, ms. */; readonly newest: number }> {
  const [[count, newest] = []] = await fleet.query(
    `SELECT count(*), coalesce(epoch_ms(max(time)), 0) FROM logs WHERE file = '${file}'`,
  )
  return { count: Number(count), newest: Number(newest) }
}

const countLines = async (fleet: FleetUnderTest, file: string): Promise<number> =>
  (await linesSeen(fleet, file)).count

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

/** Throws which bytes of a file a tier lacks or has twice, by the completeness verdicts. */
async function assertHeld(
  fleet: FleetUnderTest,
  file: string,
  bytes: number,
  tiers: readonly string[],
): Promise<void> {
  const verdicts = await verdictsOf(fleet, file)
  assert.equal(
    verdicts.reduce((sum, each) => sum + each.auditedBytes, 0),
    bytes,
    'the auditor has seen every byte',
  )
  const faults = verdicts.flatMap(({ bucket, stream, tiers: judged }) =>
    judged
      .filter(
        ({ tier, missingBytes, duplicatedBytes }) =>
          tiers.includes(tier) && missingBytes + duplicatedBytes > 0,
      )
      .map(({ tier, missing, duplicatedBytes }) => ({ bucket, stream, tier, missing, duplicatedBytes })),
  )
  assert.deepEqual(faults, [])
}

async function verdictsOf(fleet: FleetUnderTest, file: string): Promise<StreamVerdict[]> {
  const to = Date.now()
  const { buckets } = dataOf(
    await fleet.api.GET('/api/completeness', { params: { query: { from: to - 3_600_000, to } } }),
  )
  const pages = await Promise.all(
    buckets.map(({ bucket }) =>
      fleet.api.GET('/api/completeness/{bucket}', {
        params: { path: { bucket: String(bucket) as unknown as number }, query: { limit: 500 } },
      }),
    ),
  )
  return pages.flatMap(page => dataOf(page).items as StreamVerdict[]).filter(({ path }) => path === file)
}

/** Somebody changes a topic's retention past the declaration. */
async function alterByHand({ home }: FleetUnderTest): Promise<void> {
  const address = await clusterAddress(await readFleetFile(home), 'edge', () =>
    identity(home.pki, ADMIN_PRINCIPAL),
  )
  await using admin = openCluster({ ...address, clientId: 'by-hand' })
  const changes = await admin.alterConfigs([
    { resource: { kind: 'topic', name: 'logs.edge' }, set: { 'retention.ms': '3600000' } },
  ])
  assert.equal(changes[0]?.error ?? null, null)
}
