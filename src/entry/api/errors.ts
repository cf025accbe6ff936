import { errorKind } from '../../foundation/errors/errors.ts'

export const CLUSTER_UNKNOWN = errorKind(
  'API_CLUSTER_UNKNOWN',
  'The fleet has no cluster of this name.',
  'See the names with `ajna cluster list`, or search with `/` in the console.',
  2,
)
export const TOPIC_UNKNOWN = errorKind(
  'API_TOPIC_UNKNOWN',
  'There is no topic of this name where it was looked for.',
  'Search for it with `/` in the console; it may exist on another cluster, or have been deleted.',
  2,
)
export const BROKER_UNKNOWN = errorKind(
  'API_BROKER_UNKNOWN',
  'The cluster has no broker of this id.',
  'See the cluster’s brokers with `ajna cluster show NAME`.',
  2,
)
export const LINK_UNKNOWN = errorKind(
  'API_LINK_UNKNOWN',
  'The fleet has no link of this name.',
  'See the names with `ajna link list`.',
  2,
)
export const LINKS_AWAY = errorKind(
  'API_LINKS_AWAY',
  'The links’ journal cannot be read now, so nothing can be told to a link.',
  'Records flow on without it. Look whether the cluster that holds ajna.mirror.links is well; it is tried again by itself.',
)
export const REHEARSALS_BUSY = errorKind(
  'API_REHEARSALS_BUSY',
  'As many rehearsals are under way as are carried out at once.',
  'Ask again in a few seconds.',
)
export const SWITCH_AT_WORK = errorKind(
  'API_SWITCH_AT_WORK',
  'This switch of the link’s sides is being carried out already.',
  'Its steps are on the link’s page. The opposite action stops it between two looks, and takes back what was done.',
  3,
)
export const SWITCH_NOT_UNDER_WAY = errorKind(
  'API_SWITCH_NOT_UNDER_WAY',
  'There is no switch of this kind to go on with.',
  'Look at the link’s page: it has ended meanwhile, or was taken back. Rehearse a new one.',
  3,
)
export const ADMIN_MISSING = errorKind(
  'API_ADMIN_MISSING',
  'This control process has no administrator’s certificate, without which the sides of a link cannot be switched.',
  'Carry it out at the command line of a machine that has it: the rehearsal’s page shows the command.',
  3,
)
export const ACTIVITY_UNKNOWN = errorKind(
  'API_ACTIVITY_UNKNOWN',
  'There is no entry of this id in the activity log.',
  'Entries are kept for a bounded time; search the activity by what it was about.',
  2,
)
export const ACT_REFUSED = errorKind(
  'API_ACT_REFUSED',
  'The act would not be safe now.',
  'Remove the reasons listed, or wait until they have passed.',
  3,
)
export const CONFIRMATION_WRONG = errorKind(
  'API_CONFIRMATION_WRONG',
  'The name typed to confirm is not the name of what would be acted on.',
  'Type the name the preview shows, exactly.',
  2,
)

export const INCIDENT_UNKNOWN = errorKind(
  'INCIDENT_UNKNOWN',
  'There is no such incident, or it is older than those that are kept.',
  'List them: `ajna incident list`.',
)
