/** The door of an agent that does not tell the truth: it knows what the real one does, and says something else. */
import { createServer, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { type AgentAddress, baseOf, headersOf } from '../../src/entry/control/agents.ts'
import type { ProcessLife, ProcessStatus } from '../../src/operations/hosts/contract.ts'
import type { Keeper } from '../../src/operations/hosts/keeper.ts'

export interface Lies {
  readonly processes?: (truth: readonly ProcessStatus[]) => readonly ProcessStatus[]
  /** Whether a process runs in fact, as it was watched. */
  readonly life?: (process: string, truth: ProcessLife) => ProcessLife
}

export interface FalseWitness extends AgentAddress, AsyncDisposable {
  /** From now on; none: the truth. */
  tell(lies: Lies): void
}

const LOOK_MS = 25

/** Orders and all else go to the real one. */
export async function startFalseWitness(keeper: Keeper): Promise<FalseWitness> {
  let lies: Lies = {}
  let [said, version] = ['', 0]
  const list = () => {
    const truth = keeper.status()
    const processes = lies.processes?.(truth) ?? truth
    const text = JSON.stringify(processes)
    if (text !== said) [said, version] = [text, version + 1]
    return { version, processes }
  }
  const answer = (response: ServerResponse, status: number, body: string): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(body)

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { pathname, search, searchParams } = new URL(request.url!, baseOf(keeper))
    if (pathname === '/api/processes') {
      const until = performance.now() + Number(searchParams.get('waitMs') ?? 0)
      const after = Number(searchParams.get('after') ?? -1)
      while (list().version === after && performance.now() < until && !response.destroyed)
        await delay(LOOK_MS)
      answer(response, 200, JSON.stringify(list()))
      return
    }
    const { method } = request
    const init = { method: method!, headers: headersOf(keeper) }
    const body = Buffer.concat(chunks).toString()
    const url = `${baseOf(keeper)}${pathname}${search}`
    const truth = await fetch(url, method === 'POST' ? { ...init, body } : init)
    const text = await truth.text()
    const [, process] = /^\/api\/processes\/([^/]+)\/life$/.exec(pathname) ?? []
    const isLie = truth.ok && process !== undefined && lies.life !== undefined
    answer(response, truth.status, isLie ? JSON.stringify(lies.life!(process, JSON.parse(text))) : text)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it has no port')
  return {
    port: address.port,
    token: keeper.token,
    tell: next => void (lies = next),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<unknown>(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
