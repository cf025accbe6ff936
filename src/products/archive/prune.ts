/** Which event times a query can be about, so that objects of other times need not be looked into. */
import { nodesOf, type SyntaxNode } from '../../foundation/tables/guard.ts'

/** Inclusive, ms since the epoch. */
export interface TimeBounds {
  readonly low: number
  readonly high: number
}

export const everything: TimeBounds = { low: -Infinity, high: Infinity }

/** A comparison of `time` with an expression of constants. */
export interface TimeComparison {
  readonly side: 'low' | 'high'
  readonly value: SyntaxNode
}

/**
 * For each reference to the table, the comparisons that every row it yields must pass; undefined when some reference has
 * none, or stands where its rows are used before the WHERE (a join, a sample): then nothing may be left out.
 */
export function timeComparisons(
  statement: SyntaxNode,
  table: string,
): readonly (readonly TimeComparison[])[] | undefined {
  const references: (readonly TimeComparison[])[] = []
  let all = 0
  for (const node of nodesOf(statement)) {
    if (isTable(node, table)) all++
    if (node['type'] !== 'SELECT_NODE' || !isTable(node['from_table'], table)) continue
    const from = node['from_table'] as SyntaxNode
    if (from['sample'] !== null || node['sample'] !== null) return undefined
    const names = [String(from['alias'] || table).toLowerCase()]
    references.push(conjuncts(node['where_clause']).flatMap(each => comparisonsOf(each, names)))
  }
  const covered = references.length === all && all > 0 && references.every(each => each.length > 0)
  return covered ? references : undefined
}

/** The times that pass all comparisons of some reference. `values`: of the comparisons in order, ms since the epoch. */
export function boundsOf(
  references: readonly (readonly TimeComparison[])[],
  values: readonly number[],
): TimeBounds {
  let at = 0
  const each = references.map(comparisons => {
    let [low, high] = [-Infinity, Infinity]
    for (const { side } of comparisons) {
      const value = values[at++]!
      if (side === 'low') low = Math.max(low, value)
      else high = Math.min(high, value)
    }
    return { low, high }
  })
  return { low: Math.min(...each.map(({ low }) => low)), high: Math.max(...each.map(({ high }) => high)) }
}

const isTable = (node: unknown, table: string): boolean =>
  typeof node === 'object' &&
  node !== null &&
  (node as SyntaxNode)['type'] === 'BASE_TABLE' &&
  String((node as SyntaxNode)['table_name']).toLowerCase() === table

function conjuncts(where: unknown): SyntaxNode[] {
  if (typeof where !== 'object' || where === null) return []
  const node = where as SyntaxNode
  return node['type'] === 'CONJUNCTION_AND' ? (node['children'] as unknown[]).flatMap(conjuncts) : [node]
}

const lowTypes = new Set(['COMPARE_GREATERTHAN', 'COMPARE_GREATERTHANOREQUALTO'])
const highTypes = new Set(['COMPARE_LESSTHAN', 'COMPARE_LESSTHANOREQUALTO'])

function comparisonsOf(node: SyntaxNode, names: readonly string[]): TimeComparison[] {
  if (node['class'] === 'BETWEEN' && node['type'] === 'COMPARE_BETWEEN' && isTime(node['input'], names))
    return [...constant('low', node['lower']), ...constant('high', node['upper'])]
  if (node['class'] !== 'COMPARISON') return []
  const type = String(node['type'])
  const [left, right] = [node['left'], node['right']]
  const [time, value, flipped] = isTime(left, names) ? [left, right, false] : [right, left, true]
  if (!isTime(time, names)) return []
  if (type === 'COMPARE_EQUAL') return [...constant('low', value), ...constant('high', value)]
  if (lowTypes.has(type)) return constant(flipped ? 'high' : 'low', value)
  if (highTypes.has(type)) return constant(flipped ? 'low' : 'high', value)
  return []
}

function isTime(node: unknown, names: readonly string[]): boolean {
  if (typeof node !== 'object' || node === null || (node as SyntaxNode)['class'] !== 'COLUMN_REF')
    return false
  const path = ((node as SyntaxNode)['column_names'] as string[]).map(name => name.toLowerCase())
  return path.at(-1) === 'time' && (path.length === 1 || (path.length === 2 && names.includes(path[0]!)))
}

/** What may be worked out beforehand: literals, casts, the present, and sums of them. */
const constantFunctions =
  /^(now|get_current_timestamp|current_timestamp|current_date|today|transaction_timestamp|date_trunc|trunc|to_\w+|[-+*])$/

function constant(side: TimeComparison['side'], value: unknown): TimeComparison[] {
  for (const node of nodesOf(value)) {
    const kind = node['class']
    if (kind === undefined || kind === 'CONSTANT' || kind === 'CAST') continue
    if (kind === 'FUNCTION' && constantFunctions.test(String(node['function_name']))) continue
    return []
  }
  return [{ side, value: value as SyntaxNode }]
}

/** A SELECT of the comparisons' values, as json_deserialize_sql takes it. */
export function selectOf(values: readonly SyntaxNode[]): string {
  const node = {
    type: 'SELECT_NODE',
    modifiers: [],
    cte_map: { map: [] },
    select_list: values,
    from_table: { type: 'EMPTY', alias: '', sample: null, query_location: 0 },
    where_clause: null,
    group_expressions: [],
    group_sets: [],
    aggregate_handling: 'STANDARD_HANDLING',
    having: null,
    sample: null,
    qualify: null,
  }
  // "No location" is 2^64 - 1, which JSON.parse cannot hold.
  const withoutLocations = (key: string, value: unknown): unknown => (key === 'query_location' ? 0 : value)
  return JSON.stringify({ error: false, statements: [{ node, named_param_map: [] }] }, withoutLocations)
}
