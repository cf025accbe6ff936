/** Network faults, done and undone in the network namespace of the test. */
import { execFile } from 'node:child_process'
import { readdir, readlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { AjnaError, describeError } from '../../../foundation/errors/errors.ts'
import type { NetworkEffect, TestedNode } from '../contract.ts'
import { FAULT_NETWORK_UNAVAILABLE } from '../errors.ts'
import { type RelayPlace, startRelay } from './relay.ts'
import { faultRules, PAIRS, pairRules, relayedBy, relayRules } from './rules.ts'

const run = promisify(execFile)
/** iptables' own lock may be held by another fault's way back for a moment. */
const WAIT_S = '5'

/** Which network a process is in, as the kernel names it. */
export const networkOf = (pid: number | 'self'): Promise<string> => readlink(`/proc/${pid}/ns/net`)

/**
 * Tells the brokers' connections apart from now on: before they open any. They are the only tested ones in this network; those
 * of a cluster before them are gone.
 *
 * @throws AjnaError FAULT_NETWORK_UNAVAILABLE
 */
export async function markConnections(nodes: readonly Pick<TestedNode, 'id' | 'network'>[]): Promise<void> {
  const known = nodes.flatMap(({ id, network }) => (network === undefined ? [] : [{ id, network }]))
  const isCalled = await run('iptables', ['-w', WAIT_S, '-t', 'mangle', '-C', 'OUTPUT', '-j', PAIRS]).then(
    () => true,
    () => false,
  )
  await restore(pairRules(known, isCalled))
}

/** @throws AjnaError FAULT_NETWORK_UNAVAILABLE */
export const applyEffect = (chain: string, broker: number, effect: NetworkEffect): Promise<void> =>
  restore(faultRules(chain, broker, effect))

/** Answers when connections were led through it from, ms since the epoch. @throws AjnaError FAULT_NETWORK_UNAVAILABLE */
export async function applyDelay(
  chain: string,
  broker: number,
  effect: NetworkEffect,
  nodes: readonly Pick<TestedNode, 'id' | 'network'>[],
  place: RelayPlace,
): Promise<number> {
  const { act } = effect
  if (act.kind !== 'delay') throw new RangeError(`no delay, but a ${act.kind}`)
  const routes = relayedBy(broker, effect, nodes)
  const ports = await startRelay(place, { routes, jitterMs: act.jitterMs, seed: act.seed })
  const at = Date.now()
  await restore(relayRules(chain, routes, ports))
  return at
}

async function restore(rules: string): Promise<void> {
  try {
    const running = run('iptables-restore', ['--noflush', '--wait', WAIT_S])
    // It ends with its own reason when it does not read all.
    running.child.stdin!.on('error', () => undefined).end(rules)
    await running
  } catch (cause) {
    throw new AjnaError(FAULT_NETWORK_UNAVAILABLE, `iptables-restore: ${describeError(cause)}`, { cause })
  }
}

/**
 * Takes a fault's rules away, from whichever network the caller is in. May be done twice.
 *
 * @returns what was undone, for people
 */
export async function removeEffect(chain: string, network: string): Promise<string> {
  const enter = await wayInto(network)
  if (enter === undefined) return 'the network it was in is gone'
  const iptables = (...args: readonly string[]) => {
    const [command, ...rest] = [...enter, 'iptables', '-w', WAIT_S, ...args]
    return run(command!, rest)
  }
  let found = 0
  // First where new connections are led: until then those that are reset would come back there.
  for (const table of ['nat', 'filter']) {
    const { stdout } = await iptables('-t', table, '-S')
    const chains = [chain, `${chain}-do`].filter(each => stdout.includes(`-N ${each}\n`))
    if (stdout.includes(`-A OUTPUT -j ${chain}\n`)) await iptables('-t', table, '-D', 'OUTPUT', '-j', chain)
    for (const each of chains) await iptables('-t', table, '-F', each)
    for (const each of chains) await iptables('-t', table, '-X', each)
    found += chains.length
  }
  return found === 0 ? `chain ${chain} was gone already` : `took away chain ${chain}`
}

/** What a command must begin with to run there; undefined: no process is left in it, and so it is no more. */
async function wayInto(network: string): Promise<readonly string[] | undefined> {
  if ((await networkOf('self')) === network) return []
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  // Processes end while they are looked at.
  for (const pid of pids)
    if ((await networkOf(Number(pid)).catch(() => undefined)) === network)
      return ['nsenter', `--net=/proc/${pid}/ns/net`]
  return undefined
}
