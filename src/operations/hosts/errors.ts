import { errorKind } from '../../foundation/errors/errors.ts'

export const AGENT_STATE_FOREIGN = errorKind(
  'AGENT_STATE_FOREIGN',
  "The agent's directory holds the state of another host.",
  'Give each agent a directory of its own.',
)

export const PLAN_INVALID = errorKind(
  'PLAN_INVALID',
  'The host plan is not JSON of the expected shape.',
  'Whatever wrote the plan must write it again; until then the agent keeps the processes of the last good plan.',
  2,
)

export const PROCESS_UNKNOWN = errorKind(
  'PROCESS_UNKNOWN',
  "The host's plan has no process of that name.",
  'List the processes in the status of the agent.',
  2,
)

export const FENCING_TOKEN_STALE = errorKind(
  'FENCING_TOKEN_STALE',
  'An order carries a lower fencing token than one that was obeyed before: whoever sent it has been replaced.',
  'Read who owns the failure domain now; the present owner must give the order.',
  3,
)
