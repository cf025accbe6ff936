import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'

const CHROMIUM = process.env['AJNA_CHROMIUM'] ?? '/usr/bin/chromium'
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface Look {
  readonly scheme: 'dark' | 'light'
  readonly width: number
  readonly height: number
}

export interface Browser extends AsyncDisposable {
  /** A window of its own, with cookies of its own. */
  open(look: Look): Promise<BrowserContext>
}

/** Debian's Chromium with a fresh profile, without a window. */
export async function startBrowser(): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'ajna-chromium-'))
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [...FLAGS, `--disk-cache-dir=${profile}`],
  })
  return {
    open: ({ scheme, width, height }) =>
      browser.newContext({ colorScheme: scheme, viewport: { width, height }, reducedMotion: 'reduce' }),
    async [Symbol.asyncDispose]() {
      await browser.close()
      await rm(profile, { recursive: true, force: true })
    },
  }
}
