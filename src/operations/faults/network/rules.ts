/**
 * What iptables is told. Pure. All brokers of a test live on one loopback, so connections are told apart by who opened them
 * (each broker's process runs in a group of its own) and whom to (its listeners' ports): each pair has a mark, which
 * conntrack keeps with the connection, answers included.
 */
import type { NetworkEffect, NodeNetwork } from '../contract.ts'

/** A broker of the test, or whoever is none: its clients. */
export type Party = number
export const CLIENTS: Party = 0

/** Process groups ids of brokers; no group of a system is called so. */
const FIRST_GID = 40_000
const MAX_BROKERS = 99
export const gidOf = (broker: number): number => FIRST_GID + broker
/** Of what passes bytes on late. It counts among the brokers, and is none of a pair: its own connections have no mark. */
export const RELAY_GID = gidOf(MAX_BROKERS)

const markOf = (from: Party, to: number): number => FIRST_GID + from * (MAX_BROKERS + 1) + to

/** Where connections get their marks. */
export const PAIRS = 'ajna-pairs'

/**
 * Marks each connection at its beginning. For iptables-restore, which empties a chain that it is told of anew: whatever cluster
 * was in this network before, its marks are not put any more.
 *
 * @param isCalled whether OUTPUT has its way there already
 */
export function pairRules(
  brokers: readonly { readonly id: number; readonly network: NodeNetwork }[],
  isCalled = false,
): string {
  const rule = (from: Party, to: (typeof brokers)[number], whose: string): string =>
    `-A ${PAIRS} -p tcp -m multiport --dports ${to.network.ports.join(',')} -m conntrack --ctstate NEW -m owner ${whose} -j CONNMARK --set-mark ${markOf(from, to.id)}`
  const rules = brokers.flatMap(to => [
    rule(CLIENTS, to, `! --gid-owner ${gidOf(1)}-${gidOf(MAX_BROKERS)}`),
    ...brokers.filter(from => from !== to).map(from => rule(from.id, to, `--gid-owner ${from.network.gid}`)),
  ])
  return table('mangle', [...rules, ...(isCalled ? [] : [`-A OUTPUT -j ${PAIRS}`])], [PAIRS])
}

/** The packets that go one way between two parties, over connections that either has opened. */
interface Way {
  readonly mark: number
  readonly direction: 'ORIGINAL' | 'REPLY'
}

function waysBetween(from: Party, to: Party): Way[] {
  // Nobody opens a connection to a client.
  return [
    ...(to === CLIENTS ? [] : [{ mark: markOf(from, to), direction: 'ORIGINAL' as const }]),
    ...(from === CLIENTS ? [] : [{ mark: markOf(to, from), direction: 'REPLY' as const }]),
  ]
}

/** All rules of one fault, in a chain of its own. For iptables-restore. */
export function faultRules(chain: string, broker: number, effect: NetworkEffect): string {
  const { way, from, act } = effect
  const ways = from.flatMap(other => [
    ...(way === 'in' ? [] : waysBetween(broker, other)),
    ...(way === 'out' ? [] : waysBetween(other, broker)),
  ])
  const target = act.kind === 'reset' ? 'REJECT --reject-with tcp-reset' : 'DROP'
  const limit = act.kind === 'throttle' ? `${limitOf(chain, act.bytesPerSecond)} ` : ''
  const last = `${chain}-do`
  return table(
    'filter',
    [
      ...ways.map(
        ({ mark, direction }) =>
          `-A ${chain} -p tcp -m connmark --mark ${mark} -m conntrack --ctdir ${direction} -j ${last}`,
      ),
      // The resets themselves must come through.
      ...(act.kind === 'reset' ? [`-A ${last} -p tcp --tcp-flags RST RST -j RETURN`] : []),
      `-A ${last} -p tcp ${limit}-j ${target}`,
      `-I OUTPUT -j ${chain}`,
    ],
    [chain, last],
  )
}

/** A packet on loopback has up to 64 KiB: less than a few of them would let none pass. */
const MIN_BURST_KIB = 256

/** All that passes counts together. */
function limitOf(chain: string, bytesPerSecond: number): string {
  const rate = Math.max(1, Math.round(bytesPerSecond / 1024))
  return `-m hashlimit --hashlimit-name ${chain} --hashlimit-above ${rate}kb/s --hashlimit-burst ${Math.max(MIN_BURST_KIB, rate)}kb`
}

const table = (name: string, rules: readonly string[], chains: readonly string[] = []): string =>
  [`*${name}`, ...chains.map(chain => `:${chain} - [0:0]`), ...rules, 'COMMIT', ''].join('\n')

/** A connection that is led through a relay: whose, where it was to go, and how much later the bytes of each way come. */
export interface Relayed {
  readonly mark: number
  /** The listener that it was opened to. */
  readonly port: number
  /** From whoever opened it, and to them. */
  readonly upMs: number
  readonly downMs: number
}

/** All connections that a delay is done to. */
export function relayedBy(
  broker: number,
  { way, from, act }: NetworkEffect,
  brokers: readonly { readonly id: number; readonly network?: NodeNetwork }[],
): readonly Relayed[] {
  const byMs = act.kind === 'delay' ? act.byMs : 0
  const [sent, received] = [way === 'in' ? 0 : byMs, way === 'out' ? 0 : byMs]
  const portsOf = (id: number): readonly number[] =>
    brokers.find(each => each.id === id)?.network?.ports ?? []
  return from.flatMap(other => [
    // Nobody opens a connection to a client.
    ...portsOf(other).map(port => ({
      mark: markOf(broker, other),
      port,
      upMs: sent,
      downMs: received,
    })),
    ...portsOf(broker).map(port => ({
      mark: markOf(other, broker),
      port,
      upMs: received,
      downMs: sent,
    })),
  ])
}

/**
 * Leads connections through a relay's ports, in the order of `relayed`. Those that were made before are reset when their opener
 * sends something: it opens another one, which is led.
 */
export function relayRules(chain: string, relayed: readonly Relayed[], ports: readonly number[]): string {
  const last = `${chain}-do`
  const marks = new Set(relayed.map(({ mark }) => mark))
  return [
    table(
      'nat',
      [
        ...relayed.map(
          ({ mark, port }, index) =>
            `-A ${chain} -p tcp --dport ${port} -m connmark --mark ${mark} -j REDIRECT --to-ports ${ports[index]}`,
        ),
        `-I OUTPUT -j ${chain}`,
      ],
      [chain],
    ),
    table(
      'filter',
      [
        // Only what its opener sends: a reset goes to who sends, and the other one, waiting for an answer, would wait on.
        ...[...marks].map(
          mark =>
            `-A ${chain} -p tcp -m connmark --mark ${mark} -m conntrack --ctdir ORIGINAL -m conntrack ! --ctstate DNAT -j ${last}`,
        ),
        `-A ${last} -p tcp --tcp-flags RST RST -j RETURN`,
        `-A ${last} -p tcp -j REJECT --reject-with tcp-reset`,
        `-I OUTPUT -j ${chain}`,
      ],
      [chain, last],
    ),
  ].join('')
}
