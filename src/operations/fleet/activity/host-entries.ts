import { createHash } from 'node:crypto'
import type { AgentEvent } from '../../hosts/contract.ts'
import type { Activity } from './contract.ts'
import { createProcessEntries, type ProcessEvent, type Teller } from './process-entries.ts'

/** What a host's agent tells, as entries: ends of processes, and bytes that were gone before they could be read. */
export function createHostEntries(
  teller: Teller,
  unfinished: readonly Activity[],
): (event: AgentEvent) => readonly Activity[] {
  const ofProcess = createProcessEntries(teller, unfinished)
  return event => {
    switch (event.kind) {
      case 'process':
        return ofProcess(event.details as unknown as ProcessEvent)
      case 'gap':
        return [gapEntry(teller, event)]
      default:
        return []
    }
  }
}

function gapEntry({ actor, host }: Teller, { at, subject, text }: AgentEvent): Activity {
  return {
    id: createHash('sha256')
      .update(JSON.stringify([host, 'gap', at, subject, text]))
      .digest('hex')
      .slice(0, 32),
    revision: 0,
    at,
    actor,
    action: 'shipping.gap',
    subject: { kind: 'host', name: host, cluster: null },
    summary: text,
    reason: null,
    outcome: 'failed',
    evidence: [{ label: 'file', value: subject }],
    endedAt: at,
  }
}
