import { errorKind } from '../../../foundation/errors/errors.ts'

export const TROGDOR_SPEC_INVALID = errorKind(
  'TROGDOR_SPEC_INVALID',
  'A task specification does not have the form that Trogdor gives its class.',
  'Correct the field that is named; Kafka’s trogdor/README.md and tests/spec show specifications.',
  2,
)

export const TROGDOR_CLASS_UNKNOWN = errorKind(
  'TROGDOR_CLASS_UNKNOWN',
  'A task specification, or a generator in it, is of a kind that Trogdor does not have, or of none.',
  'Name one of the kinds that the message lists, in full and as Trogdor spells it.',
  2,
)

export const TROGDOR_TASK_CONFLICT = errorKind(
  'TROGDOR_TASK_CONFLICT',
  'Another task has that id.',
  'Choose another id, or destroy the other task first (DELETE /coordinator/tasks?taskId=…).',
)

export const TROGDOR_TASK_UNKNOWN = errorKind(
  'TROGDOR_TASK_UNKNOWN',
  'No task has that id.',
  'GET /coordinator/tasks lists those there are.',
)

export const TROGDOR_TASKS_TOO_MANY = errorKind(
  'TROGDOR_TASKS_TOO_MANY',
  'The coordinator keeps as many tasks as it may.',
  'Destroy those that are done (DELETE /coordinator/tasks?taskId=…): Trogdor’s tasks are kept until they are.',
)

export const TROGDOR_UNSUPPORTED = errorKind(
  'TROGDOR_UNSUPPORTED',
  'A task asks for something that is not done here.',
  'Leave out or change the field that is named; the reason is in the message.',
  2,
)

export const TROGDOR_WORK_FAILED = errorKind(
  'TROGDOR_WORK_FAILED',
  'A task could not do its work.',
  'Look at the reason given, and at the cluster that the task’s bootstrapServers name.',
)

export const TROGDOR_RUNNING = errorKind(
  'TROGDOR_RUNNING',
  'Another coordinator of this state directory is running.',
  'Use that one, or give each its own AJNA_HOME.',
)

export const TROGDOR_PORT_TAKEN = errorKind(
  'TROGDOR_PORT_TAKEN',
  'The port that the coordinator is to listen on cannot be had.',
  'Name another one with --port, or end what listens there; 0 takes any that is free.',
)
