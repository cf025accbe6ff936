import { z } from 'zod'

/** An issue of a kind that does not exist: Trogdor answers another status to it. */
export const UNKNOWN_KIND = 'unknown-kind'

/** An object whose `property` names its kind, and so its schema. */
export function byKind<Value>(
  property: string,
  kinds: Readonly<Record<string, () => z.ZodType<Value>>>,
): z.ZodType<Value> {
  const names = Object.keys(kinds).sort()
  return z.unknown().transform((found, context): Value => {
    const kind: unknown =
      typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[property] : undefined
    const schema = typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
    if (schema === undefined) {
      const message = `one of ${names.join(', ')}`
      const params = { reason: UNKNOWN_KIND }
      context.addIssue({ code: 'custom', message, input: kind, path: [property], params })
      return z.NEVER
    }
    const parsed = schema().safeParse(found, { reportInput: true })
    if (parsed.success) return parsed.data
    for (const issue of parsed.error.issues) context.addIssue({ ...issue })
    return z.NEVER
  })
}
