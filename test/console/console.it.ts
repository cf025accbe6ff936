import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { build } from 'vite'
import { type Browser, type Look, startBrowser } from './browser.ts'
import { LINES } from './fixture/records.ts'
import type { Mood } from './fixture/shared.ts'
import { axeFindings, visitPages } from './pages.ts'
import { type ServedConsole, serveConsole } from './serve.ts'

/** The console in a real browser over the real API; the fleet behind it is test/console/fixture.ts. */

const root = resolve(import.meta.dirname, '../..')
/** With AJNA_SCREENSHOTS=1 those in the light at 1280 px, and the fleet in every look, come to stand in docs/. */
const keepScreenshots = process.env['AJNA_SCREENSHOTS'] === '1'
const WIDE: Look = { scheme: 'light', width: 1280, height: 800 }
const MAX_SCRIPT_BYTES = 300 * 1024

let built: string
let screenshots: string
let browser: Browser

before(async () => {
  built = await mkdtemp(join(tmpdir(), 'ajna-console-'))
  screenshots = keepScreenshots ? join(root, 'docs/screenshots') : join(built, 'screenshots')
  await mkdir(screenshots, { recursive: true })
  await build({
    configFile: join(root, 'console/vite.config.ts'),
    logLevel: 'error',
    build: { outDir: join(built, 'console'), emptyOutDir: true },
  })
  browser = await startBrowser()
})

after(async () => {
  await browser?.[Symbol.asyncDispose]()
  await rm(built, { recursive: true, force: true })
})

/** A signed-in page over a fleet in a mood. */
async function withPage(
  mood: Mood,
  look: Look,
  use: (page: Page, served: ServedConsole) => Promise<void>,
): Promise<void> {
  await using served = await serveConsole(mood, join(built, 'console'))
  const context = await browser.open(look)
  try {
    const page = await context.newPage()
    await page.goto(`${served.base}/login?token=${served.token}`)
    await use(page, served)
  } finally {
    await context.close()
  }
}

const text = async (of: Locator): Promise<string> => (await of.textContent()) ?? ''

describe('every page', () => {
  const LOOKS: readonly Look[] = [
    WIDE,
    { scheme: 'dark', width: 400, height: 800 },
    { ...WIDE, scheme: 'dark' },
    { scheme: 'light', width: 400, height: 800 },
  ]

  it('holds what it is for, fits and is accessible, dark and light, at 1280 and at 400 px', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      const timer = setInterval(() => served.fixture.line(LINES[0]!), 50)
      try {
        const visits = await visitPages(page, served.base, served.token, {
          looks: LOOKS,
          each: async (shown, { name }, look) => {
            const kept = look === WIDE || name === 'fleet'
            if (!keepScreenshots || kept)
              await shown.screenshot({
                path: join(screenshots, `${name}-${look!.scheme}-${look!.width}.png`),
              })
          },
        })
        assert.ok(visits.length >= 17, `${visits.length} pages`)
      } finally {
        clearInterval(timer)
      }
    })
  })

  it('holds what it is for over a fleet that has just begun: nothing there is said as such', async () => {
    await withPage('empty', WIDE, async (page, served) => {
      const visits = await visitPages(page, served.base, served.token)
      assert.ok(visits.length >= 10, `${visits.length} pages`)
      await page.goto(served.base)
      await page.locator('.findings').waitFor()
      assert.equal((await text(page.locator('.verdict'))).trim(), 'Nothing is known to be wrong; 1 not known')
    })
  })

  it(`costs less than ${MAX_SCRIPT_BYTES / 1024} KiB of script before charts, all pages together`, async () => {
    const assets = join(built, 'console/assets')
    const scripts = (await readdir(assets)).filter(
      file => file.endsWith('.js.br') && !file.startsWith('chart'),
    )
    const sizes = await Promise.all(scripts.map(async file => (await stat(join(assets, file))).size))
    const total = sizes.reduce((sum, size) => sum + size, 0)
    assert.ok(total > 0 && total < MAX_SCRIPT_BYTES, `${total} bytes`)
  })
})

describe('an operator', () => {
  it('sees first what is wrong, since when, what is being done, and comes to the evidence in two steps', async () => {
    await withPage('trouble', WIDE, async page => {
      const first = page.locator('.finding').first()
      assert.match(
        await text(first),
        /122,880 bytes missing in 2 closed buckets[\s\S]*UTC[\s\S]*Being done[\s\S]*You may/,
      )
      await first.locator('a').click()
      await page.locator('.holes').first().waitFor()
      assert.match(await text(page.locator('.ranges')), /bytes 4,194,304 – 4,255,744/)
      assert.match(await text(page.locator('.ranges')), /lost between the tier before and this one/)
      assert.match(new URL(page.url()).pathname, /^\/completeness\/\d+$/)
      await page.goBack()
      await page.locator('.findings').waitFor()
    })
  })

  it('is told in one quiet line that nothing is wrong', async () => {
    await withPage('calm', WIDE, async page => {
      await page.locator('.all-well').waitFor()
      assert.equal((await text(page.locator('.all-well'))).trim(), 'Nothing is wrong.')
      assert.equal(await text(page.locator('.verdict')), 'Nothing is wrong')
    })
  })

  it('sees what failed, by which signs, what was done and what was not, and when writes flowed again', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      await page.goto(`${served.base}/incidents`)
      await page.getByRole('link', { name: 'broker frozen: broker 2 of edge' }).click()
      const drawer = page.locator('.drawer')
      await drawer.getByText('no thread of process 7713 runs').waitFor()
      const whole = await text(drawer)
      assert.match(
        whole,
        /Done: kill and unregister[\s\S]*Not done[\s\S]*wait for the controller to fence it/,
      )
      assert.match(whole, /process 7713 was killed, broker 2 was unregistered/)
      await page.getByRole('link', { name: 'broker dead: broker 3 of edge' }).click()
      await drawer.getByText('Nothing is done, because').waitFor()
      await drawer.getByText('that is for a person to decide').waitFor()
    })
  })

  it('is asked before acknowledged records are lost, sees how many and why, and answers by name', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      await page.goto(`${served.base}/incidents`)
      await page.getByRole('link', { name: 'partition leaderless: payments-4 of edge' }).click()
      const drawer = page.locator('.drawer')
      await drawer.getByText('last in sync: up to 1,234 in epoch 5, by its disk').waitFor()
      assert.match(await text(drawer), /Proposed: elect most advanced[\s\S]*Would be lost\s*34 records/)
      await page.screenshot({ path: join(screenshots, 'incident-proposal-light-1280.png') })
      await drawer.getByRole('button', { name: 'Approve…' }).click()
      const dialog = page.locator('dialog')
      await dialog.getByText('payments-4: led by broker 2, 34 records are lost').waitFor()
      const approve = dialog.getByRole('button', { name: 'Approve' })
      await dialog.getByLabel('Reason, kept in the activity log').fill('its disk is broken')
      assert.equal(await approve.isDisabled(), true, 'the cluster is named first')
      await dialog.locator('input').last().fill('edge')
      await page.screenshot({ path: join(screenshots, 'incident-approval-light-1280.png') })
      await approve.click()
      await dialog.getByText('Follow it in the activity log').waitFor()
    })
  })

  it('follows a test as it runs: what clients see, the faults marked on it, expectations as they stand, incidents', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      await page.goto(`${served.base}/tests`)
      const running = page.locator('.section', { hasText: 'Running: leader-killed' })
      await running.locator('.chart canvas').nth(1).waitFor()
      const marks = page.getByRole('list', { name: 'What happened, as marked in the charts' })
      await marks.getByText('kill: broker 1 (leads 2)').waitFor()
      const expectations = page.getByRole('region', { name: 'Expectations' })
      await expectations.getByText('read back at the end').first().waitFor()
      await expectations.locator('tr', { hasText: 'unregister' }).getByText('met', { exact: true }).waitFor()
      assert.match(await text(page.locator('.hidden[role=status]').first()), /Test leader-killed running: /)
      // Its healing goes on while it is looked at.
      await page.getByRole('link', { name: 'All of it' }).click()
      await marks.getByText('kill is over').waitFor({ timeout: 30_000 })
      await page.locator('summary', { hasText: 'broker dead: broker 1 of test-5e2f01-1' }).click()
      await page.getByText('process 7713 ended by SIGKILL').waitFor()
      await page.getByRole('button', { name: 'Stop…' }).click()
      const dialog = page.locator('dialog.act')
      await dialog.getByLabel('Reason').fill('the machine is needed')
      await dialog.getByLabel('Your name').fill('grace')
      assert.deepEqual(await axeFindings(page), [])
      await dialog.getByRole('button', { name: 'Stop it' }).click()
      await page.getByText('grace asked for its end: the machine is needed').waitFor()
    })
  })

  it('runs a scenario of the library, changed as wanted, with a reason; one that is not allowed is refused with its lines', async () => {
    await withPage('calm', WIDE, async (page, served) => {
      await page.goto(`${served.base}/tests/library`)
      await page.getByRole('button', { name: 'Run leader-killed…' }).click()
      const dialog = page.locator('dialog.act')
      const scenario = dialog.getByLabel('The scenario')
      const good = await scenario.inputValue()
      assert.match(good, /^# kill -9 of a broker/)
      await scenario.fill(good.replace('fault: kill', 'fault: melt'))
      await dialog.getByLabel('Reason').fill('before the release')
      const run = dialog.getByRole('button', { name: 'Run', exact: true })
      await run.click()
      await dialog.getByText(/found "melt"/).waitFor()
      assert.deepEqual(await axeFindings(page), [])
      await page.screenshot({ path: join(screenshots, 'test-refused-light-1280.png') })
      await scenario.fill(good)
      await run.click()
      await page.waitForURL('**/tests/20261126-101800-77be01')
      await page.getByText('before the release').waitFor()
      await page.goto(`${served.base}/tests/library`)
      await page.getByText('One test at a time: another one runs.').waitFor()
      assert.equal(await page.getByRole('button', { name: 'Run broker-blink…' }).isDisabled(), true)
    })
  })

  it('sees how a test ended, and why it was not as expected, and takes its report along', async () => {
    await withPage('calm', WIDE, async (page, served) => {
      await page.goto(`${served.base}/tests`)
      const row = page.locator('tbody tr', { hasText: 'not as expected' })
      await row.getByRole('link', { name: 'leader-killed' }).click()
      const missed = page.getByRole('region', { name: 'Expectations' }).locator('tr', { hasText: 'missed' })
      await missed.getByText('none: the alert stayed silent').waitFor()
      assert.match(await text(page.getByRole('region', { name: 'Faults' })), /9,120/)
      assert.match(
        await text(page.getByRole('region', { name: 'Latency' })),
        /until all was redundant.*1530\.0/,
      )
      const downloading = page.waitForEvent('download')
      await page.getByRole('link', { name: 'Download the report' }).click()
      assert.match((await downloading).suggestedFilename(), /^test-20261126-091502-11d0be\.html$/)
    })
  })

  it('is told beside the activity what may be missing from it, and why', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      await page.goto(`${served.base}/activity`)
      const notice = page.locator('.notice')
      await notice.waitFor()
      assert.match(
        await text(notice),
        /The journal on hub cannot be read[\s\S]*UTC[\s\S]*2 entries told on this machine wait[\s\S]*no broker answered/,
      )
    })
    await withPage('calm', WIDE, async (page, served) => {
      await page.goto(`${served.base}/activity`)
      await page.locator('tbody tr').first().waitFor()
      assert.equal(await page.locator('.notice').count(), 0)
    })
  })

  it('reaches everything from the keyboard', async () => {
    await withPage('trouble', WIDE, async page => {
      await page.locator('tbody tr').first().waitFor()
      await page.keyboard.press('g')
      await page.keyboard.press('t')
      await page.waitForURL('**/topics')
      await page.locator('[aria-label=Topics] tr[data-index="0"]').waitFor()
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('ArrowDown')
      await page.waitForFunction("document.activeElement?.getAttribute('data-index') === '2'")
      await page.keyboard.press('Enter')
      await page.waitForURL('**/topics/ajna.streams.edge')
      await page.keyboard.press('/')
      await page.keyboard.type('hub 2')
      await page.locator('[role=option]', { hasText: 'hub / 2' }).waitFor()
      assert.deepEqual(await axeFindings(page), [])
      await page.keyboard.press('Enter')
      await page.waitForURL('**/clusters/hub/brokers/2')
      await page.locator('.drawer').waitFor()
      await page.keyboard.press('Escape')
      await page.waitForURL('**/clusters/hub')
      await page.keyboard.press('?')
      await page.locator('dialog.help').waitFor()
      assert.deepEqual(await axeFindings(page), [])
      await page.keyboard.press('Escape')
      await page.locator('dialog.help').waitFor({ state: 'detached' })
    })
  })

  it('restarts a broker only after a preview, with a reason and its name, and watches it come back', async () => {
    await withPage('calm', WIDE, async (page, served) => {
      await page.goto(`${served.base}/clusters/edge/brokers/2`)
      await page.getByRole('button', { name: 'Restart…' }).click()
      const dialog = page.locator('dialog.act')
      await dialog.getByText('partitions elect another leader').waitFor()
      const act = dialog.getByRole('button', { name: 'Restart', exact: true })
      assert.equal(await act.isDisabled(), true)
      await dialog.getByLabel('Reason').fill('new heap size')
      await dialog.getByLabel('to confirm').fill('hub-2')
      assert.equal(await act.isDisabled(), true)
      await dialog.getByLabel('to confirm').fill('edge-2')
      assert.deepEqual(await axeFindings(page), [])
      await act.click()
      await dialog.getByText('in sync again after').waitFor()
      await dialog.getByRole('link').click()
      await page.waitForURL('**/activity/act-*')
      await page.locator('.drawer').getByText('new heap size').waitFor()
    })
  })

  it('is told why a restart may not be done now', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      await page.goto(`${served.base}/clusters/hub/brokers/1`)
      await page.getByText('Not now: broker 2 of this cluster is not up').waitFor()
      await page.getByRole('button', { name: 'Restart…' }).click()
      const dialog = page.locator('dialog.act')
      await dialog.getByText('writes would stop at').waitFor()
      assert.equal(await dialog.getByRole('button', { name: 'Restart', exact: true }).isDisabled(), true)
    })
  })

  it('sees on the map which link is not well, and what needs somebody on that link’s page first', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      await page.goto(`${served.base}/links`)
      const map = page.getByRole('region', { name: 'Map of sites and links' })
      const way = map.getByRole('link', { name: /edge-to-hub\s*, from edge to hub, halted.*1 halted/ })
      await way.waitFor()
      assert.match(await text(map), /payments-to-edge\s*, from hub to edge.*promote/)
      assert.match(
        await text(page.locator('.finding').first()),
        /Link edge-to-hub has halted 1 partition and 1 blocked partition/,
      )
      await way.click()
      await page.waitForURL('**/links/edge-to-hub')
      const needs = page.getByRole('list', { name: 'Partitions that need somebody' })
      await needs.waitFor()
      assert.match(
        await text(needs),
        /logs\.edge-4.*halted.*deleted offsets 92480 to 96199.*metrics\.edge-1.*blocked.*may not write/,
      )
      const partitions = page.getByRole('region', { name: 'Partitions of edge-to-hub' })
      assert.match(await text(partitions.locator('tbody tr').first()), /logs\.edge4.*halted/)
      assert.match(await text(partitions.locator('tbody tr').nth(2)), /stalled.*it has stood still for 9 s/)
      const gaps = page.getByRole('region', { name: 'Offsets that hub will never have' })
      assert.match(await text(gaps.locator('tbody tr').first()), /logs\.edge7\s*4,096\s*4,607\s*512/)
      const kept = page.getByRole('region', { name: 'Consumer groups that follow' })
      assert.match(
        await text(kept.locator('tbody tr').first()),
        /search-indexer.*failed.*GROUP_AUTHORIZATION/,
      )
    })
  })

  it('finds among a link’s partitions those that are so, in the order asked for, and a link to what was found can be shared', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      await page.goto(`${served.base}/links/edge-to-hub`)
      const partitions = page.getByRole('region', { name: 'Partitions of edge-to-hub' })
      await partitions.waitFor()
      await page.getByLabel('State', { exact: true }).selectOption({ label: 'blocked (1)' })
      await page.waitForURL('**/links/edge-to-hub?state=blocked')
      await page.getByText('1 found').waitFor()
      assert.match(await text(partitions.locator('tbody tr')), /metrics\.edge1.*blocked/)
      await page.getByLabel('State', { exact: true }).selectOption('all')
      await partitions.getByRole('button', { name: 'Lag records' }).click()
      await partitions.getByRole('button', { name: 'Lag records' }).click()
      await page.waitForURL('**/links/edge-to-hub?sort=lag&order=desc')
      await page.getByLabel('Search topics').fill('metrics')
      await page.waitForURL(/q=metrics/)
      await page.getByText(/\d+ found/).waitFor()
      assert.match(await text(partitions.locator('tbody tr').first()), /metrics\.edge/)
      await page.goto(page.url())
      await page.getByText(/\d+ found/).waitFor()
      await page.getByLabel('Search topics').fill('no such topic')
      await page.getByText('No partition of the link is so').waitFor()
      assert.deepEqual(await axeFindings(page), [])
    })
  })

  it('scrolls through 20,000 partitions of a link, and is not thrown about by what changes meanwhile', async () => {
    await withPage('large', WIDE, async (page, served) => {
      await page.goto(`${served.base}/links/dc01-k1-to-dc25-k4`)
      const partitions = page.getByRole('region', { name: 'Partitions of dc01-k1-to-dc25-k4' })
      await partitions.waitFor()
      const rows = Number(await partitions.locator('table').getAttribute('aria-rowcount')) - 1
      assert.ok(rows >= 20_000, `${rows} partitions`)
      await partitions.locator('tbody tr').first().focus()
      await page.keyboard.press('End')
      const last = partitions.locator(`tbody tr[data-index="${rows - 1}"]:not(.pending)`)
      await last.waitFor()
      const seen = await text(last)
      const scrolled = () => partitions.evaluate('table => table.scrollTop')
      const before = await scrolled()
      const asked = page.waitForResponse(/partitions\?/)
      served.fixture.change('dc01-k1', facts => ({ ...facts }))
      await asked
      await last.waitFor()
      assert.deepEqual([await scrolled(), await text(last)], [before, seen])
    })
  })

  it('sees 24 links between 100 clusters by site, and comes from the map to those that are not well', async () => {
    await withPage('large', WIDE, async (page, served) => {
      await page.goto(`${served.base}/links`)
      const map = page.getByRole('region', { name: 'Map of sites and links' })
      const way = map.getByRole('link', { name: /4 links\s*, from dc02 to dc25,\s*1 not well/ })
      await way.waitFor()
      assert.deepEqual(await axeFindings(page), [])
      const rows = page.getByRole('region', { name: 'Links' }).locator('tbody tr')
      assert.match(await text(rows.first()), /dc02-k2-to-dc25-k4.*lagging/)
      await way.click()
      await page.waitForURL('**/links?q=dc02%20dc25')
      await page.getByText('4 shown').waitFor()
      assert.equal(await rows.count(), 4)
    })
  })

  it('sees at which step a switch of sides is, and may tell the link nothing meanwhile', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      await page.goto(`${served.base}/links/payments-to-edge`)
      const now = page.locator('.step[aria-current=step]')
      await now.waitFor()
      assert.match(await text(now), /wait until each group has read to the end/)
      await page.getByText('carried out from here').waitFor()
      assert.equal(await page.getByRole('button', { name: 'Go on…' }).count(), 0)
      await page.getByRole('button', { name: 'Resume…' }).click()
      const dialog = page.locator('dialog.act')
      await dialog.getByText('a promotion of payments-to-edge is under way').waitFor()
      assert.equal(await dialog.getByRole('button', { name: 'Resume' }).isDisabled(), true)
    })
  })

  it('pauses a link only after a preview, with a reason and its name, and sees it paused', async () => {
    await withPage('calm', WIDE, async (page, served) => {
      await page.goto(`${served.base}/links/edge-to-hub`)
      await page.getByRole('button', { name: 'Pause…' }).click()
      const dialog = page.locator('dialog.act')
      await dialog.getByText('the lag grows until it is resumed').waitFor()
      const act = dialog.getByRole('button', { name: 'Pause', exact: true })
      assert.equal(await act.isDisabled(), true)
      await dialog.getByLabel('Reason').fill('disk of hub-2 is replaced')
      await dialog.getByLabel('to confirm').fill('edge-to-hub')
      assert.deepEqual(await axeFindings(page), [])
      await act.click()
      await dialog.getByText('taken up after').waitFor()
      await page.keyboard.press('Escape')
      await page.getByRole('button', { name: 'Resume…' }).waitFor()
      await page.goto(`${served.base}/activity`)
      await page.getByText('pause of link edge-to-hub').first().waitFor()
    })
  })

  it('rehearses a promotion: what would be lost, what has to be said yes to, and the command for it', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      await page.goto(`${served.base}/links/edge-to-hub`)
      await page.getByRole('link', { name: 'Rehearse a switch of sides…' }).click()
      await page.waitForURL('**/links/edge-to-hub/rehearsal')
      const command = page.locator('.command code')
      await command.waitFor()
      assert.equal(await text(command), './ajna link promote edge-to-hub')
      const reasons = page.getByRole('list', { name: 'What stands in the way' })
      assert.match(await text(reasons), /logs\.edge-4/)
      await page.getByLabel('Without the source').check()
      await page.waitForURL(/unplanned=true/)
      await reasons.getByText('records would be lost').waitFor()
      // What was said yes to stands in the way no more: the box goes with it.
      await reasons.getByLabel('--accept-loss').click()
      await page.waitForURL(/yes=accept-loss/)
      await page.getByText('./ajna link promote edge-to-hub --unplanned --accept-loss').waitFor()
      const partitions = page.getByRole('region', { name: 'What becomes of partitions' })
      assert.match(await text(partitions.locator('tbody tr').first()), /logs\.edge-11.*22,510/)
      assert.deepEqual(await axeFindings(page), [])
      await page.goto(`${served.base}/links/nothing/rehearsal`)
      await page.getByText('there is no link "nothing"').waitFor()
    })
  })

  it('switches sides after the rehearsal: with the name where records are given up, step by step, going on after a kill', async () => {
    await withPage('trouble', WIDE, async (page, served) => {
      const address = `${served.base}/links/edge-to-hub/rehearsal?unplanned=true`
      await page.goto(address)
      const promote = page.getByRole('button', { name: 'Promote…' })
      await promote.waitFor()
      assert.equal(await promote.isDisabled(), true)
      await page.goto(`${address}&yes=accept-loss`)
      await promote.click()
      const dialog = page.locator('dialog.act')
      await dialog.getByText(/Lost/).waitFor()
      const act = dialog.getByRole('button', { name: 'Promote', exact: true })
      await dialog.getByLabel('Reason').fill('the edge site is gone')
      await dialog.getByLabel('Your name').fill('ada')
      assert.equal(await act.isDisabled(), true)
      await dialog.getByLabel('to confirm').fill('edge-to-hub')
      assert.deepEqual(await axeFindings(page), [])
      served.fixture.holdNextSwitch('edge-to-hub')
      await act.click()
      await page.waitForURL('**/links/edge-to-hub')
      await page.locator('.step.done').first().waitFor()
      served.fixture.interruptSwitch('edge-to-hub')
      await page.getByRole('button', { name: 'Go on…' }).click()
      await dialog.getByLabel('Reason').fill('control was killed')
      assert.equal(await dialog.getByLabel('Your name').inputValue(), 'ada')
      assert.deepEqual(await axeFindings(page), [])
      await dialog.getByRole('button', { name: 'Go on', exact: true }).click()
      await page.getByText('The sides are switched (promoted)').waitFor()
      await page.getByRole('link', { name: 'Rehearse the way back' }).click()
      await page.waitForURL('**/rehearsal?action=failback')
      await page.goto(`${served.base}/activity`)
      await page.getByText('link edge-to-hub: promote begun').first().waitFor()
      assert.match(await text(page.locator('tbody')), /ada/)
    })
  })

  it('sees a change without asking', async () => {
    await withPage('calm', WIDE, async (page, served) => {
      await page.locator('.all-well').waitFor()
      served.fixture.change('hub', facts => ({
        ...facts,
        unreachable: { since: Date.now(), message: 'connection refused' },
      }))
      await page
        .locator('.finding-title', { hasText: 'Cluster hub cannot be reached' })
        .waitFor({ timeout: 8_000 })
      assert.match(await text(page.locator('.verdict')), /1 critical/)
    })
  })

  it('is told that a page is no longer live, and it reconnects by itself', async () => {
    await withPage('calm', WIDE, async (page, served) => {
      await page.locator('.bar.live').waitFor()
      await served.stop()
      await page.locator('.bar.stale').waitFor({ timeout: 15_000 })
      await page.getByText('reconnecting…').waitFor()
      assert.match(await text(page.locator('.verdict')), /as last heard/)
      assert.equal((await page.locator('tbody tr').count()) > 0, true, 'what was known stays visible')
      assert.deepEqual(await axeFindings(page), [])
      await page.screenshot({ path: join(screenshots, 'stale-light-1280.png') })
      await served.start()
      await page.locator('.bar.live').waitFor({ timeout: 15_000 })
    })
  })

  it('sees the newest lines, follows them as they come, filters them, and stops them', async () => {
    await withPage('calm', WIDE, async (page, served) => {
      served.fixture.line('WARN came before anybody looked')
      await page.goto(`${served.base}/logs`)
      await page.getByText('WARN came before anybody looked').waitFor()
      const timer = setInterval(() => {
        served.fixture.line('INFO plain line')
        served.fixture.line('ERROR disk /dev/sda1 is gone')
      }, 50)
      try {
        await page.getByText('INFO plain line').first().waitFor()
        await page.getByLabel('Lines that hold').fill('disk')
        await page.waitForURL('**/logs?match=disk')
        await page.locator('.tail-line.tone-bad').first().waitFor()
        assert.equal(await page.getByText('INFO plain line').count(), 0)
        await page.getByRole('button', { name: 'Pause' }).click()
        await page.getByText(/^paused/).waitFor()
      } finally {
        clearInterval(timer)
      }
    })
  })

  it('asks the logs in SQL, finds a mistake shown in place, and the history kept', async () => {
    await withPage('calm', WIDE, async (page, served) => {
      await page.goto(`${served.base}/logs/query`)
      await page.getByLabel('SQL over the table logs').fill('selct 1')
      await page.keyboard.press('Control+Enter')
      await page.locator('.editor.faulty').getByText('syntax error at or near "selct"').waitFor()
      assert.deepEqual(await axeFindings(page), [])
      await page.getByLabel('SQL over the table logs').fill('select * from logs')
      await page.keyboard.press('Control+Enter')
      await page.getByText(/1,000 rows, more matched/).waitFor()
      assert.equal(await page.locator('.editor.faulty').count(), 0)
      assert.ok((await page.locator('tbody tr').count()) < 120, 'only the rows in sight are drawn')
      await page.reload()
      assert.equal(await page.getByLabel('SQL over the table logs').inputValue(), 'select * from logs')
    })
  })

  it('scrolls, searches and orders 50,000 topics without loading them', async () => {
    await withPage('large', WIDE, async (page, served) => {
      await page.goto(`${served.base}/topics`)
      await page.locator('tbody tr[data-index="0"]').waitFor()
      assert.match(await text(page.locator('.page-beside')), /50,000/)
      await page.locator('.table-frame').evaluate(frame => frame.scrollTo(0, frame.scrollHeight))
      await page.locator('tbody tr[data-index="49999"]').waitFor()
      assert.ok((await page.locator('tbody tr').count()) < 120)
      await page.getByLabel('Search topics').fill('payments tenant-100')
      await page.getByText(/found$/).waitFor()
      await page.getByRole('button', { name: /^In/ }).click()
      await page.getByRole('button', { name: /^In/ }).click()
      await page.waitForURL(/sort=rate&order=desc/)
      await page.locator('th[aria-sort=descending]').waitFor()
      assert.deepEqual(await axeFindings(page), [])
      await page.goto(`${served.base}/`)
      await page.locator('.finding').first().waitFor()
      await page.screenshot({ path: join(screenshots, 'fleet-large-light-1280.png') })
    })
  })

  it('without a session sees nothing of the fleet, and how to get one', async () => {
    await using served = await serveConsole('trouble', join(built, 'console'))
    const context = await browser.open(WIDE)
    try {
      const page = await context.newPage()
      await page.goto(`${served.base}/clusters/hub`)
      await page.getByRole('heading', { name: 'This browser has no session' }).waitFor()
      assert.ok(!(await text(page.locator('body'))).includes('critical'))
      assert.deepEqual(await axeFindings(page), [])
    } finally {
      await context.close()
    }
  })

  it('finds a clear answer at an address of nothing', async () => {
    await withPage('calm', WIDE, async (page, served) => {
      await page.goto(`${served.base}/clusters/nowhere`)
      await page.getByText('there is no cluster "nowhere"').waitFor()
      await page.goto(`${served.base}/no/such/page`)
      await page.getByText('there is no page at /no/such/page').waitFor()
      assert.deepEqual(await axeFindings(page), [])
    })
  })
})
