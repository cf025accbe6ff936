import { z } from 'zod'

/** Forms that several routes share. */

export const connectorParams = z.object({ name: z.string() })

/** Numbers and truth values are taken for their texts; null is for PATCH, and told where it means nothing. */
export const configModel = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))

/** As JAX-RS reads a boolean: what is not `true` is false. */
export const flag = z
  .string()
  .default('false')
  .transform(text => text.toLowerCase() === 'true')
