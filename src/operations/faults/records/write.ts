import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AjnaError, describeError, isAjnaError } from '../../../foundation/errors/errors.ts'
import { writeWhole } from '../../../foundation/files/whole.ts'
import { identify } from '../../../foundation/process/identity.ts'
import { TEST_STOPPED } from '../errors.ts'
import type { RunFollower } from '../follow.ts'
import { MAX_SCENARIO_BYTES, type TestEvent, type TestRecord, type ToldResult } from './model.ts'

/** A test's own telling, on disk as it happens: whoever kills it leaves a record that can be read. */
export interface TestWriter extends RunFollower {
  readonly id: string
  note(text: string): void
  run(name: string, text: string): void
  end(result: ToldResult): Promise<void>
  /** It could not be carried out, or was stopped. */
  fail(error: unknown): Promise<void>
}

export type NewTest = Omit<TestRecord, 'id' | 'process' | 'startedAt'> & { readonly id?: string | undefined }

export const KEPT_TESTS = 100
/** Ten hours of samples; of what comes later only the end is kept. */
export const MAX_EVENTS_BYTES = 4 * 1024 * 1024
export const MAX_RESULT_BYTES = 4 * 1024 * 1024
const MAX_TEXT = 2_000

/** `20261126-151200-3f9c2a`: by name they are in the order in which they began. */
export const newTestId = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${randomBytes(3).toString('hex')}`

/** On disk when it resolves; the oldest beyond {@link KEPT_TESTS} are gone. */
export async function openTest(folder: string, test: NewTest): Promise<TestWriter> {
  const startedAt = Date.now()
  const { id = newTestId(startedAt), scenario, ...told } = test
  const own = join(folder, id)
  await mkdir(own, { recursive: true })
  const record: TestRecord = {
    ...told,
    id,
    scenario: scenario?.slice(0, MAX_SCENARIO_BYTES) ?? null,
    startedAt,
    process: (await identify(process.pid))!,
  }
  await writeWhole(join(own, 'record.json'), `${JSON.stringify(record, null, 2)}\n`)
  await forgetOldest(folder)

  const events = join(own, 'events.jsonl')
  let written = 0
  /** In one piece and at once: what was told before a kill is there after it. A disk that is full fails no test. */
  function tell(event: TestEvent): void {
    const text = `${JSON.stringify(event)}\n`
    if (written + text.length > MAX_EVENTS_BYTES) return
    try {
      appendFileSync(events, text)
      written += text.length
    } catch {
      written = MAX_EVENTS_BYTES
    }
  }
  const cut = (text: string): string => text.slice(0, MAX_TEXT)

  async function end(result: ToldResult): Promise<void> {
    await writeWhole(join(own, 'result.json'), `${fitted(result, Date.now())}\n`)
  }

  return {
    id,
    note: text => tell({ kind: 'note', at: Date.now(), text: cut(text) }),
    run: (name, text) => tell({ kind: 'run', at: Date.now(), name: cut(name), text: cut(text) }),
    sample: sample => tell({ kind: 'sample', at: Date.now(), ...sample }),
    mark: (mark, at, text) => tell({ kind: 'mark', at: Math.round(at), mark, text: cut(text) }),
    incident: incident => tell({ kind: 'incident', at: Date.now(), incident }),
    end,
    async fail(error) {
      const { code, remedy } = error instanceof AjnaError ? error : { code: 'UNEXPECTED', remedy: '' }
      await end({
        outcome: isAjnaError(error, TEST_STOPPED) ? 'stopped' : 'failed',
        error: { code, message: cut(describeError(error)), remedy },
        version: null,
        report: null,
        failures: null,
        reproduces: null,
        runs: [],
      })
    },
  }
}

/** As many of its runs as there is room for, the first ones. */
function fitted(result: ToldResult, endedAt: number): string {
  let bytes = JSON.stringify({ ...result, runs: [] }).length
  const runs = result.runs.filter(run => {
    bytes += JSON.stringify(run).length + 1
    return bytes <= MAX_RESULT_BYTES
  })
  return JSON.stringify({ ...result, endedAt, runs, runsLeftOut: result.runs.length - runs.length })
}

async function forgetOldest(folder: string): Promise<void> {
  const ids = (await readdir(folder)).sort()
  const oldest = ids.slice(0, Math.max(0, ids.length - KEPT_TESTS))
  await Promise.all(oldest.map(id => rm(join(folder, id), { recursive: true, force: true })))
}
