import { z } from 'zod'
import { type AclBinding, aclOperations, aclResources } from '../../../foundation/kafka/security.ts'

/**
 * What a link put at its target besides records: only that is ever changed or taken away again. JSON-safe, in the links'
 * journal. It is noted before it is done, so after a crash it may name something that was not done yet, but never lacks
 * something that was.
 */

export const aclSchema: z.ZodType<AclBinding> = z.strictObject({
  resource: z.enum(aclResources),
  name: z.string(),
  pattern: z.enum(['literal', 'prefixed']),
  principal: z.string(),
  host: z.string(),
  operation: z.enum(aclOperations),
  permission: z.enum(['allow', 'deny']),
})

const quotaValue = z.number().nonnegative()
export const quotaSchema = z.strictObject({
  entity: z.strictObject({
    user: z.string().nullable().exactOptional(),
    clientId: z.string().nullable().exactOptional(),
    ip: z.string().nullable().exactOptional(),
  }),
  values: z.strictObject({
    producerBytesPerSecond: quotaValue.exactOptional(),
    consumerBytesPerSecond: quotaValue.exactOptional(),
    requestPercentage: quotaValue.exactOptional(),
    controllerMutationsPerSecond: quotaValue.exactOptional(),
  }),
})

const offset = z.int().nonnegative()

/** One position as the link moved it last. */
export const movedSchema = z.strictObject({
  topic: z.string(),
  partition: z.int().nonnegative(),
  /** What stood at the target before; null: nothing. A crash may have left it standing. */
  before: offset.nullable(),
  /** What it was moved to. */
  target: offset,
  /** Where the group stood at the source then. */
  source: offset,
})
export type Moved = Readonly<z.infer<typeof movedSchema>>

export const keepStateSchema = z.strictObject({
  acls: z.array(aclSchema),
  quotas: z.array(quotaSchema),
  /**
   * The rules by which the source lets write to the copied topics, as the copies would have them, when last looked at: a
   * promotion without the source opens the copies by them. Null: never seen.
   */
  writers: z.strictObject({ seenAt: z.number(), acls: z.array(aclSchema) }).nullable(),
  groups: z.record(z.string(), z.array(movedSchema)),
})
export type KeepState = Readonly<z.infer<typeof keepStateSchema>>

export const EMPTY_KEEP: KeepState = Object.freeze({
  acls: [],
  quotas: [],
  writers: null,
  groups: {},
})

/**
 * Where it is kept. A save has happened when it resolves; it is refused when somebody else has saved since it was loaded here,
 * since it was decided on what was.
 */
export interface KeepStore {
  /** Undefined: nothing was ever kept. */
  load(): Promise<KeepState | undefined>
  /** @throws AjnaError KEEP_CHANGED, LINK_DEPOSED, what the journal throws */
  saveRights(rights: Pick<KeepState, 'acls' | 'quotas' | 'writers'>): Promise<void>
  /** Whole groups; those not named stay as they are. @throws the same */
  saveGroups(groups: ReadonlyMap<string, readonly Moved[]>): Promise<void>
}
