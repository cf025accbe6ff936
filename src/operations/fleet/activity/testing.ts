import type { Activity } from './contract.ts'

/** For tests: an entry with the members given. */
export function entry(members: Partial<Activity> = {}): Activity {
  return {
    id: 'e0',
    revision: 0,
    at: 1_000,
    actor: 'agent',
    action: 'process.restart',
    subject: { kind: 'broker', name: '2', cluster: 'edge' },
    summary: 'kafka-edge-2 ended by SIGKILL',
    reason: null,
    outcome: 'running',
    evidence: [],
    endedAt: null,
    ...members,
  }
}
