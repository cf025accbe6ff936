import { createApi } from '../../src/entry/api/api.ts'
import { sessionOf } from '../../src/foundation/http/session.ts'
import { silentLogger } from '../../src/foundation/log/log.ts'
import type { Mood } from './fixture/shared.ts'
import { createFixture, type Fixture } from './fixture.ts'

export interface ServedConsole extends AsyncDisposable {
  readonly base: string
  readonly token: string
  readonly fixture: Fixture
  /** Stops serving and starts again at the same port, as a killed control process would. */
  stop(): Promise<void>
  start(): Promise<void>
}

/** The real API and the built console over a fixture. */
export async function serveConsole(mood: Mood, consoleDirectory: string): Promise<ServedConsole> {
  const session = sessionOf('c'.repeat(43))
  const fixture = createFixture(mood)
  const make = () =>
    createApi({
      platform: fixture.platform,
      session,
      log: silentLogger,
      console: consoleDirectory,
      statuses: { FIXTURE_SQL: 400 },
    })
  let server = make()
  const base = await server.listen(0)
  return {
    base,
    token: session.token,
    fixture,
    stop: () => server.close(),
    async start() {
      server = make()
      await server.listen(Number(new URL(base).port))
    },
    [Symbol.asyncDispose]: () => server.close(),
  }
}

if (import.meta.main) {
  const mood = (process.argv[2] ?? 'trouble') as Mood
  const served = await serveConsole(mood, 'dist/console')
  console.log(`${served.base}/login?token=${served.token}`)
  const { LINES } = await import('./fixture/records.ts')
  let next = 0
  setInterval(() => served.fixture.line(LINES[next++ % LINES.length]!), 300)
}
