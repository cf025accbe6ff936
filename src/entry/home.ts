import { resolve } from 'node:path'

/** The state directory's layout (docs/ARCHITECTURE.md): every path the program uses, in one place. */
export interface Home {
  readonly root: string
  readonly ports: string
  readonly fleet: string
  readonly pki: string
  readonly run: string
  readonly token: string
  readonly logs: string
  readonly clusters: string
  readonly objects: string
  /** Faults under way and how they are undone, and the clusters of tests. */
  readonly faults: string
  /** What tests have left, running ones too. */
  readonly tests: string
  /** Held while a test runs. */
  readonly testLock: string
  /** Activity on its way into the journal. */
  readonly outbox: string
  /** What the activity journal held when it was last read. */
  readonly activityCopy: string
  readonly upLock: string
  /** Held while a detached `up` is being started. */
  readonly detachLock: string
  hostPlan(host: string): string
  role(name: string): string
}

/** What lies in a state directory beside the roles' own directories: what a reset deletes, and nothing else. */
export const stateNames: readonly string[] = [
  'clusters',
  'faults',
  'fleet.json',
  'hosts',
  'logs',
  'objects',
  'outbox',
  'pki',
  'ports.json',
  'run',
  'tests',
]

/** Any of these makes a directory a state directory. */
export const homeMarks: readonly string[] = ['fleet.json', 'ports.json', 'pki']

export function homeAt(root: string): Home {
  const at = (...parts: string[]): string => resolve(root, ...parts)
  return {
    root: at(),
    ports: at('ports.json'),
    fleet: at('fleet.json'),
    pki: at('pki'),
    run: at('run'),
    token: at('run', 'token'),
    logs: at('logs'),
    clusters: at('clusters'),
    objects: at('objects'),
    faults: at('faults'),
    tests: at('tests'),
    testLock: at('faults', 'test.lock'),
    outbox: at('outbox'),
    activityCopy: at('control', 'activity.json'),
    upLock: at('run', 'up.lock'),
    detachLock: at('run', 'detach.lock'),
    hostPlan: host => at('hosts', host, 'plan.json'),
    role: name => at(name),
  }
}

/** @param environment AJNA_HOME names the state directory; default, also when it is empty: `.ajna` below the working directory */
export const homeOf = (environment: NodeJS.ProcessEnv = process.env): Home =>
  homeAt(environment['AJNA_HOME'] || '.ajna')
