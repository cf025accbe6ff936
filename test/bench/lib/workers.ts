/** Mirror workers that share links, each a process of its own. */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { linkDefinitionSchema } from '../../../src/operations/mirror/definition.ts'
import type { LinksJournal } from '../../../src/operations/mirror/links/kept.ts'
import { putLink } from '../../../src/operations/mirror/links/registry.ts'
import { createLinksTopic, ended, openLinks } from '../../mirror/group.ts'
import { NODE_OPTIONS } from './replicators.ts'
import type { Sides } from './sides.ts'

export interface Workers extends AsyncDisposable {
  readonly pids: readonly number[]
}

export interface WorkersGroup extends AsyncDisposable {
  /** Starts so many workers and waits until they share all there is to do. Disposing them lets them leave in order. */
  start(many: number): Promise<Workers>
  /** Makes a link from `topic` to a copy under another name. Disposing it ends the link; the copy stays. */
  link(name: string, topic: string): Promise<AsyncDisposable & { readonly copy: string }>
}

const POLL_MS = 100
/** A newcomer is given its share a few at a time, from 3 s after it came. */
const SETTLED_MS = 4_500

export async function openGroup({ source, target }: Sides, signal: AbortSignal): Promise<WorkersGroup> {
  const { bootstrap } = target.cluster
  await createLinksTopic(bootstrap)
  const journal: LinksJournal = await openLinks(bootstrap, 'bench')
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await sleep(POLL_MS, undefined, { signal })
  }

  /** Every shard is somebody's, each worker has some, and none has moved for a while. */
  async function shared(children: readonly ChildProcess[]): Promise<void> {
    let [seen, since] = ['', 0]
    await until(() => {
      const dead = children.find(({ exitCode }) => exitCode !== null)
      if (dead !== undefined) throw new Error(`a worker ended with ${dead.exitCode}`)
      const owners = journal.state().shards.assignments.map(({ owner }) => owner)
      const now = owners.join()
      if (now !== seen) [seen, since] = [now, performance.now()]
      const isWhole = !owners.includes(null) && new Set(owners).size === children.length
      return isWhole && performance.now() - since > SETTLED_MS
    })
  }

  let started = 0
  return {
    async start(many) {
      const children = Array.from({ length: many }, () => startWorker(`worker-${++started}`, bootstrap))
      const stop = async (): Promise<void> => {
        await Promise.all(children.map(child => ended(child, 'SIGTERM')))
        await until(() => Object.keys(journal.state().shards.members).length === 0)
      }
      try {
        await shared(children)
        return { pids: children.map(({ pid }) => pid!), [Symbol.asyncDispose]: stop }
      } catch (error) {
        await Promise.all(children.map(child => ended(child, 'SIGKILL')))
        throw error
      }
    },
    async link(name, topic) {
      const end = (at: readonly string[]) => ({ bootstrap: [...at], tls: null })
      const prefix = `${name}.`
      const definition = linkDefinitionSchema.parse({
        name,
        source: end(source.cluster.bootstrap),
        target: end(bootstrap),
        topics: { include: [topic] },
        rename: { prefix },
      })
      await putLink(journal, { definition, owner: 'api', annotations: {}, expected: null, kept: null })
      return {
        copy: `${prefix}${topic}`,
        async [Symbol.asyncDispose]() {
          const outcome = await journal.submit({ kind: 'remove', name, owner: 'api' })
          if (!outcome.accepted) throw new Error(outcome.reason)
        },
      }
    },
    [Symbol.asyncDispose]: () => journal.close(),
  }
}

function startWorker(name: string, bootstrap: readonly string[]): ChildProcess {
  return fork(new URL('./worker-child.ts', import.meta.url), [name, ...bootstrap], {
    execArgv: NODE_OPTIONS,
    env: { ...process.env, MALLOC_ARENA_MAX: '2' },
  })
}
