import { z } from 'zod'
import { byKind } from './kinds.ts'
import { double, int, list, long, text } from './values.ts'

/** How keys and values are made: trogdor's workload.PayloadGenerator. */

/**
 * Larger ones than this are refused where they are read, not when they are made: whoever reads a specification, Trogdor's own
 * client too, may make one at once.
 */
export const MAX_PAYLOAD_BYTES = 1024 * 1024

const LEAST_WITH_TIME = 8

const size = () =>
  int().refine(bytes => bytes >= 0 && bytes <= MAX_PAYLOAD_BYTES, {
    error: `a whole number from 0 to ${MAX_PAYLOAD_BYTES}, in bytes`,
  })

const withTime = (size: number): boolean => size >= LEAST_WITH_TIME
const TOO_SMALL_FOR_TIME = {
  path: ['size'],
  error: `a whole number of at least ${LEAST_WITH_TIME}, the bytes of the time`,
}

const constant = z
  .strictObject({ type: z.literal('constant'), size: size(), value: text() })
  .refine(({ value }) => /^[A-Za-z0-9+/]*={0,2}$/.test(value), { path: ['value'], error: 'bytes in base64' })
  // Trogdor says the zeros that no value stands for; here both are the same.
  .transform(({ type, size, value }) => ({ type, size, value: isZeros(value, size) ? '' : value }))

function isZeros(value: string, size: number): boolean {
  const bytes = Buffer.from(value, 'base64')
  return bytes.length === size && bytes.every(byte => byte === 0)
}

/** `offset` in files, `startOffset` in what Trogdor's own client makes of them. */
const sequential = z
  .strictObject({ type: z.literal('sequential'), size: size(), offset: long(), startOffset: long() })
  .transform(({ type, size, offset, startOffset }) => ({ type, size, startOffset: offset || startOffset }))

const uniformRandom = z
  .strictObject({ type: z.literal('uniformRandom'), size: size(), seed: long(), padding: int() })
  .refine(({ size, padding }) => padding >= 0 && padding <= size, {
    path: ['padding'],
    error: 'a whole number from 0 to the payload’s size',
  })

const nothing = z.strictObject({ type: z.literal('null') })

const timestampRandom = z
  .strictObject({ type: z.literal('timestampRandom'), size: size(), seed: long() })
  .refine(({ size }) => withTime(size), TOO_SMALL_FOR_TIME)

const timestampConstant = z
  .strictObject({ type: z.literal('timestampConstant'), size: size() })
  .refine(({ size }) => withTime(size), TOO_SMALL_FOR_TIME)

const gaussian = {
  messageSizeAverage: size(),
  messageSizeDeviation: double(),
  messagesUntilSizeChange: int(),
  seed: long(),
}
const gaussianTimestampRandom = z.strictObject({ type: z.literal('gaussianTimestampRandom'), ...gaussian })
const gaussianTimestampConstant = z.strictObject({
  type: z.literal('gaussianTimestampConstant'),
  ...gaussian,
})

export type SimplePayload =
  | z.output<typeof constant>
  | z.output<typeof sequential>
  | z.output<typeof uniformRandom>
  | z.output<typeof nothing>
  | z.output<typeof timestampRandom>
  | z.output<typeof timestampConstant>
  | z.output<typeof gaussianTimestampRandom>
  | z.output<typeof gaussianTimestampConstant>

export interface RandomComponents {
  readonly type: 'randomComponent'
  readonly seed: number
  readonly components: readonly { readonly percent: number; readonly component: Payload }[]
}
export type Payload = SimplePayload | RandomComponents

const HUNDRED = 100

const randomComponent = (): z.ZodType<RandomComponents> =>
  z
    .strictObject({
      type: z.literal('randomComponent'),
      seed: long(),
      components: list(z.strictObject({ percent: int(), component: payload })),
    })
    .refine(
      ({ components }) =>
        components.every(({ percent }) => percent >= 1) &&
        components.reduce((sum, { percent }) => sum + percent, 0) === HUNDRED,
      { path: ['components'], error: 'components whose percents, 1 at least, sum to 100' },
    )

export const payload: z.ZodType<Payload> = byKind<Payload>('type', {
  constant: () => constant,
  gaussianTimestampConstant: () => gaussianTimestampConstant,
  gaussianTimestampRandom: () => gaussianTimestampRandom,
  null: () => nothing,
  randomComponent,
  sequential: () => sequential,
  timestampConstant: () => timestampConstant,
  timestampRandom: () => timestampRandom,
  uniformRandom: () => uniformRandom,
})
