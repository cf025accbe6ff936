import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { readIfThere } from '../../../foundation/files/whole.ts'
import { isAlive } from '../../../foundation/process/identity.ts'
import {
  type TestEvent,
  type TestRecord,
  type TestResult,
  type TestState,
  type TestStop,
  type TestSummary,
  testEvent,
  testRecord,
  testResult,
  testStop,
} from './model.ts'

/** What tests have left, running ones too. What is damaged is as if it were not there: a record proves nothing by itself. */

export interface KeptTest {
  readonly record: TestRecord
  readonly result: TestResult | undefined
  readonly stop: TestStop | undefined
  readonly state: TestState
}

const ID = /^[0-9a-z-]{1,80}$/

/** Of all that are kept, newest first. */
export async function testIds(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names
    .filter(name => ID.test(name))
    .sort()
    .reverse()
}

/** Undefined: there is none of that id. */
export async function readTest(folder: string, id: string): Promise<KeptTest | undefined> {
  if (!ID.test(id)) return undefined
  const own = join(folder, id)
  const record = await readAs(testRecord, join(own, 'record.json'))
  if (record === undefined) return undefined
  // Before the result: one that ends in between has written it by then.
  const alive = await isAlive(record.process)
  const result = await readAs(testResult, join(own, 'result.json'))
  const stop = await readAs(testStop, join(own, 'stop.json'))
  return { record, result, stop, state: result?.outcome ?? (alive ? 'running' : 'died') }
}

export interface EventsRead {
  readonly items: readonly TestEvent[]
  /** From where to read on, bytes. */
  readonly next: number
  /** There is more already. */
  readonly more: boolean
}

/** Of an answer; an event is smaller. */
const READ_BYTES = 512 * 1024

/** Whole events only: one that is being written is read the next time. */
export async function readEvents(
  folder: string,
  id: string,
  from: number,
  most = READ_BYTES,
): Promise<EventsRead> {
  const none = { items: [], next: from, more: false }
  if (!ID.test(id)) return none
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(join(folder, id, 'events.jsonl'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return none
    throw error
  }
  await using handle = file
  const buffer = Buffer.alloc(most)
  const { bytesRead } = await handle.read(buffer, 0, most, from)
  const end = buffer.subarray(0, bytesRead).lastIndexOf(10) + 1
  const items = buffer
    .toString('utf8', 0, end)
    .split('\n')
    .flatMap(text => {
      const parsed = testEvent.safeParse(safely(text))
      return parsed.success ? [parsed.data] : []
    })
  return { items, next: from + end, more: bytesRead === most && end > 0 }
}

/** All of them: a few megabytes at most. */
export async function allEvents(folder: string, id: string): Promise<readonly TestEvent[]> {
  const items: TestEvent[] = []
  for (let from = 0, more = true; more; ) {
    const read = await readEvents(folder, id, from)
    items.push(...read.items)
    from = read.next
    more = read.more
  }
  return items
}

async function readAs<Schema extends z.ZodType>(
  schema: Schema,
  file: string,
): Promise<z.output<Schema> | undefined> {
  const text = await readIfThere(file)
  const parsed = text === undefined ? undefined : schema.safeParse(safely(text))
  return parsed?.success ? parsed.data : undefined
}

function safely(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What a list says of a test. Pure. */
export function summaryOf({ record, result, stop, state }: KeptTest): TestSummary {
  const { process: _, scenario: __, ...told } = record
  const { report = null, failures = null } = result ?? {}
  const available = [
    ...(report?.faults.map(each => each.availabilityRestoredMs) ?? []),
    ...(failures?.map(each => each.availabilityRestoredMs.worst) ?? []),
  ]
  const redundant = [
    ...(report?.faults.map(each => each.redundancyRestoredMs) ?? []),
    ...(failures?.map(each => each.redundancyRestoredMs.worst) ?? []),
  ]
  const sum = (of: 'lost' | 'duplicated'): number | null =>
    report?.records[of] ?? failures?.reduce((total, each) => total + each[of], 0) ?? null
  return {
    ...told,
    state,
    endedAt: result?.endedAt ?? null,
    availabilityRestoredMs: worst(available),
    redundancyRestoredMs: worst(redundant),
    acknowledged: report?.records.acknowledged ?? null,
    lost: sum('lost'),
    duplicated: sum('duplicated'),
    error: result?.error ?? null,
    stopped: stop ?? null,
  }
}

const worst = (all: readonly (number | null)[]): number | null =>
  all.length === 0 || all.includes(null) ? null : Math.max(...all.map(each => each ?? 0))
