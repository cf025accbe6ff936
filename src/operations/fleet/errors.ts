import { errorKind } from '../../foundation/errors/errors.ts'

export const FLEET_NOT_VISIBLE = errorKind(
  'FLEET_NOT_VISIBLE',
  'The cluster accepted a change and does not show it within the time allowed.',
  'Run `ajna plan` again: it shows whether the change is there by now.',
)

export const FLEET_STEP_IMPOSSIBLE = errorKind(
  'FLEET_STEP_IMPOSSIBLE',
  'A step of a plan asks a cluster for something it cannot do.',
  'Brokers of a cluster that others run are started by those who run it.',
)

export const ACTIVITY_NOT_RECORDED = errorKind(
  'ACTIVITY_NOT_RECORDED',
  'What was to be told in the activity log could not be written to this machine’s disk, or no room could be made for it.',
  'What was done is done; only its entry may be missing. Free space on the disk of the state directory.',
)
