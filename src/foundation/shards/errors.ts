import { errorKind } from '../errors/errors.ts'

export const SHARDS_TERMS_DIFFER = errorKind(
  'SHARDS_TERMS_DIFFER',
  'This process would share work on other terms (number of shards, lease) than the group agreed on, or terms that cannot work.',
  'Start all members with the same settings. The terms of a group never change: another number of shards needs another journal topic.',
)

export const SHARDS_HANDLER_FAILED = errorKind(
  'SHARDS_HANDLER_FAILED',
  'The code that starts or stops the work of a shard failed, so nobody can say whether the work goes on.',
  'The process left the group without giving its shards up: they go to others when its lease is over. Restart it; report the cause.',
)

export const SHARDS_LEFT = errorKind(
  'SHARDS_LEFT',
  'This process takes no part in the group any more: it left, or could not go on for the reason given.',
  'Join again.',
)
