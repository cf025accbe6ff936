/** Kafka's checkpoint files (CheckpointFile): a version, the number of entries, one entry a line. Pure. */
import type { ReplicaOnDisk } from '../contract.ts'

type Epochs = NonNullable<ReplicaOnDisk['log']>['epochs']

const VERSION = '0'

/** @throws Error: what is wrong with it */
function entriesOf(text: string): string[][] {
  const [version, count, ...lines] = text.split('\n')
  if (version !== VERSION) throw new Error(`its version is ${JSON.stringify(version)}, not ${VERSION}`)
  const entries = lines.filter(line => line !== '').map(line => line.split(' '))
  if (entries.length !== Number(count)) throw new Error(`it has ${entries.length} entries, and says ${count}`)
  return entries
}

const numberIn = (text: string | undefined): number => {
  const value = Number(text)
  if (text === undefined || text === '' || !Number.isSafeInteger(value))
    throw new Error(`${text} is no offset`)
  return value
}

/** `leader-epoch-checkpoint`, ascending. @throws Error: what is wrong with it */
export function leaderEpochs(text: string): Epochs {
  return entriesOf(text)
    .map(([epoch, start]) => ({ epoch: numberIn(epoch), start: numberIn(start) }))
    .sort((a, b) => a.epoch - b.epoch)
}

/**
 * `replication-offset-checkpoint` and its like, by `<topic>-<partition>`.
 *
 * @throws Error: what is wrong with it
 */
export function offsetsByPartition(text: string): ReadonlyMap<string, number> {
  return new Map(
    entriesOf(text).map(([topic, partition, offset]) => [
      `${topic}-${numberIn(partition)}`,
      numberIn(offset),
    ]),
  )
}
