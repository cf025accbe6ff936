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

export const PROCESS_ANOTHER = errorKind(
  'PROCESS_ANOTHER',
  'The process that an order to kill names is not the one that runs under that name.',
  'It ended by itself, or was started anew meanwhile: look again, and decide again.',
  3,
)

export const FENCING_TOKEN_STALE = errorKind(
  'FENCING_TOKEN_STALE',
  'An order carries a lower fencing token than one of the same keeper that was obeyed before: whoever sent it has been replaced.',
  'Read who owns the failure domain now; the present owner must give the order.',
  3,
)

export const FENCING_STATE_DAMAGED = errorKind(
  'FENCING_STATE_DAMAGED',
  'The file with the highest fencing tokens that this host has obeyed is damaged.',
  'Restore it from a backup. If no order can be under way from an owner that was replaced, delete it: tokens are then counted from the next order on.',
)

export const FENCING_KEEPERS_TOO_MANY = errorKind(
  'FENCING_KEEPERS_TOO_MANY',
  'Orders to this host have come under leases of more journals than it remembers, all within a day.',
  'Find out who makes leases’ journals anew (`ajna.fleet.interlock`) all the time. If no order can be under way from an owner that was replaced, delete the file that is named, and restart the agent.',
  3,
)

export const ORDER_WITHOUT_LEASE = errorKind(
  'ORDER_WITHOUT_LEASE',
  'An order to a broker carries no fence: it was not given under a lease.',
  'Give it through the console or the API, which take a lease first.',
  3,
)

export const TOPIC_MISSING = errorKind(
  'TOPIC_MISSING',
  'A topic that the agent ships to does not exist, or may not be seen by it.',
  'Apply the fleet: it creates the topics and the rights to them. The agent tries again by itself.',
)

export const TOPIC_UNREADABLE = errorKind(
  'TOPIC_UNREADABLE',
  'The agent cannot read back what it wrote to a topic before it was restarted.',
  'Check that the topic was not deleted or truncated meanwhile, and that the agent may read it. The agent tries again by itself.',
)

export const SHIPPING_REFUSED = errorKind(
  'SHIPPING_REFUSED',
  'The cluster refuses every record of a topic, not only some.',
  'The broker’s error is named: an ACL is missing, or the topic is gone. The agent keeps what it has and tries again by itself.',
)

export const AGENT_ALREADY_RUNS = errorKind(
  'AGENT_ALREADY_RUNS',
  'Another agent works in the same directory.',
  'Stop it first, or give this one a directory of its own.',
)
