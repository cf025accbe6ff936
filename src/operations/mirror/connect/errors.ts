import { errorKind } from '../../../foundation/errors/errors.ts'

export const CONNECT_PATTERN_UNSUPPORTED = errorKind(
  'CONNECT_PATTERN_UNSUPPORTED',
  'A regular expression is malformed, or uses what only Java knows.',
  'Write it without what is named; classes, groups, alternatives, repetitions and (?i) are all understood.',
  2,
)
