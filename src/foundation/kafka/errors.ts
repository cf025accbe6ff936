import { AjnaError, describeError, errorKind } from '../errors/errors.ts'
import { classify, type ErrorClass, isRetriable } from '../wire/api-errors.ts'

export const KAFKA_UNREACHABLE = errorKind(
  'KAFKA_UNREACHABLE',
  'No broker that could have answered did: it refused the connection, closed it, or stayed silent.',
  'Check that the brokers run and that the addresses and certificates are right; `ajna status` shows what is known.',
)

export const KAFKA_REFUSED = errorKind(
  'KAFKA_REFUSED',
  'The cluster answered a request with an error.',
  "The error's name and the broker's own words say what it objects to.",
)

export const KAFKA_UNSUPPORTED = errorKind(
  'KAFKA_UNSUPPORTED',
  "The broker's version does not have the request that would be needed.",
  'Upgrade the cluster, or do without what needs it.',
)

export const KAFKA_DEADLINE = errorKind(
  'KAFKA_DEADLINE',
  'The cluster did not answer within the time the caller had.',
  'Try again; if it persists, look for frozen or overloaded brokers.',
)

/** What a broker says is wrong with a request or with one item of it. */
export interface ApiFault {
  readonly code: number
  /** As Kafka spells it, e.g. `TOPIC_ALREADY_EXISTS`. */
  readonly name: string
  readonly class: ErrorClass
  /** The broker's own words; empty when it has none. */
  readonly words: string
}

/** @returns undefined for code 0 */
export function faultOf(code: number, words: string | null | undefined): ApiFault | undefined {
  return code === 0 ? undefined : { ...classify(code), words: plain(words ?? '') }
}

/** Brokers put the whole request, as Java prints it, into what they say about missing rights. */
const plain = (words: string): string =>
  words.replace(/^Request Request\(.*\) needs (\w+) permission\.?$/s, 'needs $1')

/** @param what was asked, as in `create topic orders` */
export function refused(what: string, fault: ApiFault): AjnaError {
  const words = fault.words === '' ? '' : ` (${fault.words})`
  return new AjnaError(KAFKA_REFUSED, `${what}: ${fault.name}${words}`, {
    details: { code: fault.code, name: fault.name, class: fault.class, words: fault.words },
  })
}

/** Kafka's name for what it refused, e.g. `TOPIC_ALREADY_EXISTS`; undefined for any other error. */
export function refusalOf(error: unknown): string | undefined {
  return error instanceof AjnaError && error.code === KAFKA_REFUSED.code
    ? String(error.details['name'])
    : undefined
}

/** Whether asking again may help: the network failed, or the cluster said so. */
export function mayRetry(error: unknown): boolean {
  if (!(error instanceof AjnaError)) return false
  if (error.code === KAFKA_UNREACHABLE.code) return true
  return error.code === KAFKA_REFUSED.code && isRetriable(error.details['class'] as ErrorClass)
}

export const unreachable = (where: string, cause: unknown): AjnaError =>
  new AjnaError(KAFKA_UNREACHABLE, `${where} does not answer: ${describeError(cause)}`, {
    cause,
    details: { broker: where },
  })
