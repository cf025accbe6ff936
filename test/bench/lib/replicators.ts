/** What copies topics from one cluster to another and can be measured: a process, told what to copy. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { sweptFolder } from '../../fleets/sweeper.ts'
import type { LinkSetup } from '../../mirror/link.ts'
import type { LinkReply, LinkRequest, LinkSummary } from './link-child.ts'
import type { Sides } from './sides.ts'

export interface Replicator extends AsyncDisposable {
  readonly name: string
  /** Of the one process that does the work. */
  readonly pid: number
  /**
   * Begins to copy topics from their beginnings.
   *
   * @param topics a name, or a pattern that both replicators understand
   * @returns what a topic's copy is called
   */
  begin(topics: string): Promise<(topic: string) => string>
  end(): Promise<void>
}

/** As `ajna up` starts the role. */
export const NODE_OPTIONS = [
  '--disable-warning=ExperimentalWarning',
  '--max-old-space-size=192',
  '--max-semi-space-size=8',
]

export interface LinkProcess extends Replicator {
  summary(): Promise<LinkSummary>
}

/** @param nodeOptions added to the process's own, for profiles */
export async function startLinkProcess(
  { source, target }: Sides,
  nodeOptions: readonly string[] = [],
): Promise<LinkProcess> {
  const folder = await sweptFolder('ajna-link-')
  const child = fork(new URL('./link-child.ts', import.meta.url), [folder.path], {
    execArgv: [...NODE_OPTIONS, ...nodeOptions],
    env: { ...process.env, MALLOC_ARENA_MAX: '2' },
  })
  let rounds = 0
  return {
    name: 'Ajna',
    pid: child.pid!,
    async begin(topics) {
      const name = `l${++rounds}`
      const setup: LinkSetup = {
        source: source.cluster.bootstrap,
        target: target.cluster.bootstrap,
        ...(source.tls.tls === undefined ? {} : { sourceTls: source.tls.tls }),
        ...(target.tls.tls === undefined ? {} : { targetTls: target.tls.tls }),
        store: join(folder.path, `${name}.json`),
        link: { name, topics: { include: [topics.replaceAll('.*', '*')] } },
      }
      await ask(child, { kind: 'begin', setup })
      return topic => topic
    },
    async end() {
      await ask(child, { kind: 'end' })
    },
    summary: () => ask(child, { kind: 'summary' }),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) {
        const gone = once(child, 'exit')
        child.disconnect()
        await gone
      }
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Sends a request and waits for its reply, or for the process's end. */
function ask(child: ChildProcess, request: LinkRequest): Promise<LinkSummary> {
  const { promise, resolve, reject } = Promise.withResolvers<LinkSummary>()
  const onReply = ({ error, ...summary }: LinkReply): void =>
    error === null ? resolve(summary) : reject(new Error(`the link: ${error}`))
  const onExit = (code: number | null): void => reject(new Error(`the link's process ended with ${code}`))
  child.once('message', onReply)
  child.once('exit', onExit)
  child.send(request)
  return promise.finally(() => {
    child.off('message', onReply)
    child.off('exit', onExit)
  })
}
