/** The journal's rule without a broker: records replayed, beats of a group, states hashed. Run with `make bench-journal`. */
import { digestOf } from '../../src/foundation/journal/canonical.ts'
import { decodeRecord, encodeRecord } from '../../src/foundation/journal/record.ts'
import { emptyReplica, type Replica, replay } from '../../src/foundation/journal/replica.ts'
import type { ShardsCommand, ShardsState } from '../../src/foundation/shards/contract.ts'
import { shardsMachine } from '../../src/foundation/shards/machine.ts'
import { preferredOwner } from '../../src/foundation/shards/rendezvous.ts'
import { type Rate, rateOf, report } from './lib/measure.ts'

const MEMBERS = 10
const RECORDS = 20_000
const terms = { shards: 64, leaseMs: 4_000 }

const members = Array.from({ length: MEMBERS }, (_, index) => `member-${index}`)

function bodyOf(offset: number): ShardsCommand {
  const instance = members[offset % MEMBERS]!
  if (offset < MEMBERS) return { kind: 'join', instance, name: instance, weight: 1, terms }
  return { kind: 'beat', instance }
}

const log = Array.from({ length: RECORDS }, (_, offset) => {
  const seal = {
    writer: members[offset % MEMBERS]!,
    seq: Math.floor(offset / MEMBERS) + 1,
    basis: offset,
    at: 0,
  }
  return encodeRecord({ kind: 'command', machine: 1, body: bodyOf(offset) }, seal)
})

function replayLog(): Replica<ShardsState> {
  let replica = emptyReplica(shardsMachine)
  for (const [offset, value] of log.entries())
    replica = replay(shardsMachine, replica, offset, decodeRecord(value, 'bench')).replica
  return replica
}

const { state, version } = replayLog()
if (version !== RECORDS) throw new Error(`${RECORDS - version} records were refused`)

function repeat(times: number, work: (index: number) => void): number {
  for (let index = 0; index < times; index++) work(index)
  return times
}

const rates: readonly Rate[] = [
  rateOf('records decoded', () => repeat(RECORDS, index => decodeRecord(log[index]!, 'bench'))),
  rateOf('records decoded and replayed (10 members, 64 shards)', () => replayLog().version),
  rateOf('states hashed (10 members, 64 shards)', () => repeat(2_000, () => digestOf(state))),
  rateOf('owners chosen (10 members)', () => repeat(100_000, shard => preferredOwner(shard, state.members))),
]
report('journal', rates, { members: MEMBERS, bytesPerRecord: Math.round(log.at(-1)!.byteLength) })
