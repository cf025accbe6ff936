/** A Prometheus text exposition (https://prometheus.io/docs/instrumenting/exposition_formats/), as a JMX exporter answers. */
export interface Exposed {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g

/** Samples with a finite value; lines that are none are passed over. */
export function parseExposition(text: string): Exposed[] {
  const samples: Exposed[] = []
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, name, labels = '', value] = LINE.exec(line.trim()) ?? []
    if (name === undefined || !Number.isFinite(Number(value))) continue
    samples.push({ name, labels: parseLabels(labels), value: Number(value) })
  }
  return samples
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [, name, value] of text.matchAll(LABEL)) labels[name!] = value!.replace(/\\(.)/g, unescaped)
  return labels
}

const unescaped = (_: string, character: string): string => (character === 'n' ? '\n' : character)

/** The exporter's own and the JVM's buffers, pools and class counts: nobody looks at them. */
const UNWANTED =
  /^(jmx_|jvm_(buffer|classes|compilation|info|memory_pool|threads_state)|process_(start|virtual))/

export const isWanted = ({ name }: Exposed): boolean => !UNWANTED.test(name)

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/_bytes(_total)?$/, 'bytes'],
  [/bytes(in|out|rejected)_total$/, 'bytes'],
  [/_seconds(_total)?$/, 'seconds'],
  [/_ms$/, 'milliseconds'],
  [/_ratio$/, 'ratio'],
  [/messagesin_total$/, 'records'],
]
export const unitOf = (name: string): string => UNITS.find(([pattern]) => pattern.test(name))?.[1] ?? ''
