import { AjnaError } from '../../../foundation/errors/errors.ts'
import { TEST_UNKNOWN } from '../../../operations/faults/errors.ts'
import { allEvents, readTest, summaryOf, testIds } from '../../../operations/faults/records/read.ts'
import { renderTest, renderTests } from '../../../operations/faults/records/render.ts'
import { standingOf } from '../../../operations/faults/records/standing.ts'
import { readScenario } from '../../../operations/faults/scenario.ts'
import { homeOf } from '../../home.ts'
import { print, printJson, say } from '../output.ts'

/** Read from this machine's disk: no fleet needs to run. */

export async function list(options: { readonly limit: number; readonly json?: boolean }): Promise<void> {
  const { tests: folder } = homeOf()
  const ids = (await testIds(folder)).slice(0, options.limit)
  const found = await Promise.all(ids.map(id => readTest(folder, id)))
  const summaries = found.flatMap(test => (test === undefined ? [] : [summaryOf(test)]))
  if (options.json === true) return printJson(summaries)
  if (summaries.length === 0) return say('No test is known.')
  print(renderTests(summaries))
}

export async function show(id: string, options: { readonly json?: boolean }): Promise<void> {
  const { tests: folder } = homeOf()
  const test = await readTest(folder, id)
  if (test === undefined) throw new AjnaError(TEST_UNKNOWN, `there is no test ${JSON.stringify(id)}`)
  const { record, result, state } = test
  const summary = summaryOf(test)
  const events = await allEvents(folder, id)
  if (options.json === true)
    return printJson({ ...summary, scenario: record.scenario, events, result: result ?? null })
  const standing =
    state === 'running' && record.scenario !== null
      ? standingOf(readScenario(record.scenario, record.name), record.healer, events)
      : []
  print(renderTest({ summary, result, standing, events }))
}
