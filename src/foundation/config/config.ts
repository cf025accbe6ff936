import type { z } from 'zod'
import { deepFreeze } from './freeze.ts'
import { allowedBy, flatten } from './issues.ts'
import { type Finding, invalid } from './problem.ts'
import { parseSource } from './source.ts'

export type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T

/** More than this nobody reads at once; looking them all up in a large file takes long. */
const MAX_PROBLEMS = 100

/**
 * Reads YAML (1.2, one document) into a value of the schema, deeply frozen. Messages in the schema say what is *allowed*.
 *
 * @param file as people know it: it opens every message
 * @param check looks at the whole once its shape is right
 * @throws AjnaError CONFIG_INVALID with the problems found (the first 100), in the file's order: `details.problems` are `Problem`s
 */
export function readConfig<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  file: string,
  check: (value: DeepReadonly<z.output<Schema>>) => readonly Finding[] = () => [],
): DeepReadonly<z.output<Schema>> {
  const source = parseSource(text, file)
  const parsed = schema.safeParse(source.value, { error: allowedBy, reportInput: true })
  const value = parsed.success ? (deepFreeze(parsed.data) as DeepReadonly<z.output<Schema>>) : undefined
  const findings = parsed.success ? check(value!) : flatten(parsed.error.issues)
  if (findings.length > 0)
    throw invalid(file, findings.slice(0, MAX_PROBLEMS).map(source.locate), findings.length)
  return value!
}
