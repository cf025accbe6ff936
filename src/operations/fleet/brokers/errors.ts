import { errorKind } from '../../../foundation/errors/errors.ts'

export const BROKER_DATA_DIR_FOREIGN = errorKind(
  'BROKER_DATA_DIR_FOREIGN',
  'A data directory belongs to another cluster or another node.',
  'Point the node at its own directory. Only if that data is really not needed any more: delete the directory, and it will be formatted afresh.',
)
export const BROKER_DATA_DIR_DAMAGED = errorKind(
  'BROKER_DATA_DIR_DAMAGED',
  'A data directory holds partitions but not the files that say whose they are.',
  'Restore meta.properties from a backup, or, when the partitions have live replicas elsewhere, move the directory away: the broker will copy them back.',
)
export const BROKER_DIED = errorKind(
  'BROKER_DIED',
  'A broker ended before it was ready.',
  'Its own reason is in the message, the whole story in its logs/server.log and logs/console.log.',
)
export const BROKER_NOT_READY = errorKind(
  'BROKER_NOT_READY',
  'A broker runs but did not become ready in time.',
  'Look at its logs/server.log: most often it waits for a quorum (other nodes down) or recovers a large log.',
)
export const PORT_TAKEN = errorKind(
  'PORT_TAKEN',
  'A TCP port that Ajna needs is in use by another program.',
  'Stop that program, or set AJNA_PORT_BASE to a free range of ports and start again.',
)
export const PORTS_FILE_INVALID = errorKind(
  'PORTS_FILE_INVALID',
  'The file that remembers port allocations cannot be read.',
  'Restore it from a backup; or, with the fleet stopped, delete it: ports are allocated anew.',
)
export const PORTS_EXHAUSTED = errorKind(
  'PORTS_EXHAUSTED',
  "There are not enough free TCP ports in Ajna's range.",
  'Set AJNA_PORT_BASE to a range of 1,000 ports that other programs leave alone.',
)
