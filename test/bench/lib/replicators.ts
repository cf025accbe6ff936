/** What copies topics from one cluster to another and can be measured: a process, told what to copy. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestCluster } from '../../fleets/cluster.ts'
import { sweptFolder } from '../../fleets/sweeper.ts'
import type { LinkSetup } from '../../mirror/link.ts'
import type { LinkReply, LinkRequest } from './link-child.ts'

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

/** Who replicators are at clusters with TLS. */
export const superUser = 'admin'

/** As `ajna up` starts the role. */
const NODE_OPTIONS = [
  '--disable-warning=ExperimentalWarning',
  '--max-old-space-size=192',
  '--max-semi-space-size=8',
]

/** @param nodeOptions added to the process's own, for profiles */
export async function startLinkProcess(
  source: TestCluster,
  target: TestCluster,
  options: { readonly nodeOptions?: readonly string[] } = {},
): Promise<Replicator> {
  const { nodeOptions = [], ...setting } = options
  const folder = await sweptFolder('ajna-link-')
  const child = fork(new URL('./link-child.ts', import.meta.url), [folder.path], {
    execArgv: [...NODE_OPTIONS, ...nodeOptions],
    env: { ...process.env, MALLOC_ARENA_MAX: '2' },
  })
  const tls = await tlsOf(source, target)
  let rounds = 0
  return {
    name: 'Ajna',
    pid: child.pid!,
    async begin(topics) {
      const name = `l${++rounds}`
      const setup: LinkSetup = {
        source: source.bootstrap,
        target: target.bootstrap,
        ...tls,
        ...setting,
        store: join(folder.path, `${name}.json`),
        link: { name, topics: { include: [topics.replaceAll('.*', '*')] } },
      }
      await ask(child, { kind: 'begin', setup })
      return topic => topic
    },
    end: () => ask(child, { kind: 'end' }),
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

async function tlsOf(
  source: TestCluster,
  target: TestCluster,
): Promise<Pick<LinkSetup, 'sourceTls' | 'targetTls'>> {
  const at = (cluster: TestCluster) =>
    cluster.placed.security.protocol === 'plaintext' ? undefined : cluster.identity(superUser)
  const [sourceTls, targetTls] = await Promise.all([at(source), at(target)])
  return {
    ...(sourceTls === undefined ? {} : { sourceTls }),
    ...(targetTls === undefined ? {} : { targetTls }),
  }
}

/** Sends a request and waits for its reply, or for the process's end. */
function ask(child: ChildProcess, request: LinkRequest): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onReply = ({ error }: LinkReply): void =>
    error === null ? resolve() : reject(new Error(`the link: ${error}`))
  const onExit = (code: number | null): void => reject(new Error(`the link's process ended with ${code}`))
  child.once('message', onReply)
  child.once('exit', onExit)
  child.send(request)
  return promise.finally(() => {
    child.off('message', onReply)
    child.off('exit', onExit)
  })
}
