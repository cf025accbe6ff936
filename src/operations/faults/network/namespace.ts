/** A test whose faults are in the network runs in a network of its own: the machine's is never touched. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { AjnaError, describeError } from '../../../foundation/errors/errors.ts'
import { FAULT_NETWORK_UNAVAILABLE } from '../errors.ts'
import { networkOf } from './network.ts'

/** Names the network that the program came from: in a network of its own it is in another one. */
const CAME_FROM = 'AJNA_NETWORK_BEFORE'

const run = promisify(execFile)

/**
 * Runs this program anew in a network of its own (only a loopback in it), and answers its exit code; undefined: this is the
 * one that runs there. It ends when this process does, however that ends.
 *
 * @throws AjnaError FAULT_NETWORK_UNAVAILABLE: not root, or iproute2, iptables or util-linux is missing
 */
export async function inOwnNetwork(): Promise<number | undefined> {
  const before = process.env[CAME_FROM]
  const here = await networkOf('self')
  if (before !== undefined && before !== here) {
    await needed('ip', ['link', 'set', 'lo', 'up'])
    return undefined
  }
  await needed('iptables', ['--version'])
  await needed('unshare', ['--net', 'true'])
  const command = ['--net', 'setpriv', '--pdeathsig', 'KILL', process.execPath]
  const child = spawn('unshare', [...command, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [CAME_FROM]: here },
  })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => child.kill(name))
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

async function needed(command: string, args: readonly string[]): Promise<void> {
  try {
    await run(command, args)
  } catch (cause) {
    throw new AjnaError(FAULT_NETWORK_UNAVAILABLE, `${command} ${args.join(' ')}: ${describeError(cause)}`, {
      cause,
    })
  }
}
