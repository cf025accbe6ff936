import type { BrokerChoice } from './scenario.ts'

/** What a fault's victims are chosen by. */
export interface BrokerFacts {
  readonly id: number
  /** Partitions of the test's topic that it leads. */
  readonly leads: number
  /** The active controller. */
  readonly controller: boolean
  /** It leads all partitions of the topic, and nobody else is in sync with any. */
  readonly last?: true
}

export type Chosen =
  | { readonly kind: 'chosen'; readonly brokers: readonly BrokerFacts[] }
  | { readonly kind: 'none'; readonly reason: string }

/**
 * The brokers a fault is done to, each a different one.
 *
 * @param random in [0, 1); decides among equals
 */
export function chooseBrokers(
  choices: readonly BrokerChoice[],
  facts: readonly BrokerFacts[],
  random: () => number,
): Chosen {
  const left = [...facts].sort((a, b) => a.id - b.id)
  const brokers: BrokerFacts[] = []
  for (const choice of choices) {
    if (choice === 'all' && left.length > 0) return { kind: 'chosen', brokers: left.concat(brokers) }
    const fit = fitting(choice, left)
    const found = fit.length === 0 ? undefined : fit[Math.floor(random() * fit.length)]
    if (found === undefined) return { kind: 'none', reason: reasonOf(choice, facts) }
    brokers.push(found)
    left.splice(left.indexOf(found), 1)
  }
  return { kind: 'chosen', brokers }
}

function fitting(choice: BrokerChoice, left: readonly BrokerFacts[]): readonly BrokerFacts[] {
  switch (choice) {
    case 'all':
    case 'any':
      return left
    case 'controller':
      return left.filter(({ controller }) => controller)
    case 'last':
      return left.filter(({ last }) => last === true)
    case 'follower':
      return left.filter(({ leads, controller }) => leads === 0 && !controller)
    case 'leader': {
      // The failure of a leader alone: that of the controller is another one.
      const others = left.filter(({ leads, controller }) => leads > 0 && !controller)
      const most = Math.max(...others.map(({ leads }) => leads))
      return others.filter(({ leads }) => leads === most)
    }
    default:
      return left.filter(({ id }) => id === choice)
  }
}

function reasonOf(choice: BrokerChoice, facts: readonly BrokerFacts[]): string {
  const seen = facts.map(
    ({ id, leads, controller }) => `${id} leads ${leads}${controller ? ' and is the controller' : ''}`,
  )
  return `no broker is left for ${JSON.stringify(choice)}: ${seen.join('; ')}`
}
