import { AjnaError } from '../errors/errors.ts'
import { SqlForbidden } from './errors.ts'

/** A statement as DuckDB's json_serialize_sql describes it. */
export type SyntaxNode = { readonly [key: string]: unknown }

/** They make rows from their arguments alone; every other table function reads files, settings, logs, or other SQL. */
const tableFunctions = new Set(['range', 'generate_series', 'unnest', 'repeat_row'])
const tableReferences = new Set([
  'BASE_TABLE',
  'TABLE_FUNCTION',
  'SUBQUERY',
  'JOIN',
  'EXPRESSION_LIST',
  'EMPTY',
  'PIVOT',
  'SHOW_REF',
])
/** They wait, write, count up, or tell of the process rather than of the data. */
const refusedFunctions = new Set([
  'sleep_ms',
  'write_log',
  'nextval',
  'currval',
  'current_setting',
  'getvariable',
  'getenv',
])
/** A name like a file's (with a dot or a slash) would be read as that file where no table has it. */
const plainName = /^\w+$/

/**
 * The one rule for what a query may refer to: the tables offered, its own WITH names, functions of its own values. Throws
 * SQL_FORBIDDEN naming what it may not.
 */
export function guardSelect(statement: SyntaxNode, tables: ReadonlySet<string>): void {
  const names = new Set([...tables].map(name => name.toLowerCase()))
  for (const node of nodesOf(statement)) {
    for (const name of withNames(node)) if (plainName.test(name)) names.add(name.toLowerCase())
  }
  for (const node of nodesOf(statement)) {
    const refusal = refusalOf(node, names)
    if (refusal !== undefined)
      throw new AjnaError(SqlForbidden, refusal, { details: { tables: [...tables] } })
  }
}

function refusalOf(node: SyntaxNode, names: ReadonlySet<string>): string | undefined {
  if ('sample' in node && 'alias' in node && !tableReferences.has(String(node['type'])))
    return `${node['type']} is not allowed in a query`
  if (node['type'] === 'BASE_TABLE') return refuseTable(node, names)
  if (node['type'] === 'TABLE_FUNCTION') {
    const name = String((node['function'] as SyntaxNode | null)?.['function_name']).toLowerCase()
    return tableFunctions.has(name) ? undefined : `${name}() is not allowed in a query`
  }
  if (node['type'] === 'SHOW_REF' && node['query'] === null) return 'SHOW is not allowed in a query'
  if (node['class'] === 'FUNCTION') {
    const name = String(node['function_name']).toLowerCase()
    if (refusedFunctions.has(name)) return `${name}() is not allowed in a query`
    if (node['catalog'] !== '' || (node['schema'] !== '' && node['schema'] !== 'main'))
      return `functions of another schema are not allowed in a query: ${node['schema']}.${name}`
  }
  return undefined
}

function refuseTable(node: SyntaxNode, names: ReadonlySet<string>): string | undefined {
  const schema = [node['catalog_name'], node['schema_name']].filter(part => part !== '').join('.')
  const name = String(node['table_name'])
  if (schema === '' && names.has(name.toLowerCase())) return undefined
  return `there is no table ${schema === '' ? '' : `${schema}.`}${name} to query`
}

function withNames(node: SyntaxNode): string[] {
  const own =
    node['type'] === 'RECURSIVE_CTE_NODE' || node['type'] === 'CTE_NODE' ? [String(node['cte_name'])] : []
  const map = (node['cte_map'] as SyntaxNode | undefined)?.['map']
  const declared = Array.isArray(map) ? map.map(entry => String((entry as SyntaxNode)['key'])) : []
  return [...own, ...declared]
}

/** Every object of a syntax tree, without recursion: a hostile one may be thousands deep. */
export function* nodesOf(root: unknown): Generator<SyntaxNode, void, undefined> {
  const pending: unknown[] = [root]
  while (pending.length > 0) {
    const node = pending.pop()
    if (typeof node !== 'object' || node === null) continue
    if (!Array.isArray(node)) yield node as SyntaxNode
    for (const child of Object.values(node)) pending.push(child)
  }
}
