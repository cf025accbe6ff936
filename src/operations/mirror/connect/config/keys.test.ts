import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { adminKeys, consumerKeys, producerKeys } from './client-keys.ts'
import { connectorKinds } from './connectors.ts'
import { documentationOf } from './key.ts'

/** Facts of Kafka 4.3.1 and Mirus 0.6.18, as their own programs said them (test/mirror/captured/README.md). */
function captured<Row>(file: string): Readonly<Record<string, readonly Row[]>> {
  return JSON.parse(
    readFileSync(new URL(`../../../../../test/mirror/captured/${file}`, import.meta.url), 'utf8'),
  )
}

type Facts = readonly [name: string, type: string, fallback: string | null, importance: string]

/** Where a link's default is another than the original's, on purpose. */
const OTHER_DEFAULTS: Readonly<Record<string, string | null>> = {
  // What Mirus and MirrorMaker 2 do when nothing is said.
  'auto.offset.reset': 'earliest',
  // MirrorMaker 2 would make fewer replicas than the source has.
  'replication.factor': null,
}

const fallbackOf = (name: string, fallback: string | null): string | null =>
  Object.hasOwn(OTHER_DEFAULTS, name) ? OTHER_DEFAULTS[name]! : fallback

describe('every setting of Kafka’s clients', () => {
  const clients = captured<Facts>('client-keys.json')
  for (const [role, specs] of Object.entries({
    consumer: consumerKeys,
    producer: producerKeys,
    admin: adminKeys,
  }))
    test(`has a spec: ${role}, type, default and importance as in Kafka`, () => {
      const own = specs.map(spec => [spec.name, spec.type, spec.default, spec.importance].join('|'))
      const kafka = clients[role]!.map(([name, type, fallback, importance]) =>
        [name, type, fallbackOf(name, fallback), importance].join('|'),
      )
      assert.deepEqual(own.sort(), kafka.sort())
    })
})

describe('every key of a connector', () => {
  type Listed = readonly [
    name: string,
    type: string,
    required: boolean,
    fallback: string | null,
    importance: string,
    group: string | null,
    order: number,
    width: string,
    title: string,
  ]
  for (const [name, listed] of Object.entries(captured<Listed>('connector-keys.json'))) {
    const kind = connectorKinds.find(each => each.class === name)!
    test(`has a spec, as the original lists it: ${name}`, () => {
      const own = new Map(kind.table.keys.map(spec => [spec.name, spec]))
      for (const [key, type, required, fallback, importance, group, order, width, title] of listed) {
        const spec = own.get(key)
        assert.ok(spec !== undefined, key)
        assert.deepEqual(
          [spec.type, spec.required, spec.default, spec.importance],
          [type, required, fallbackOf(key, fallback), importance],
          key,
        )
        if (group !== null) assert.deepEqual(spec.shelf, { group, order, width, title }, key)
      }
    })
  }

  for (const kind of connectorKinds)
    test(`is listed once, and says what becomes of it: ${kind.class}`, () => {
      const names = kind.table.keys.map(({ name }) => name)
      assert.equal(new Set(names).size, names.length)
      for (const spec of [...kind.table.keys, ...kind.table.also]) {
        assert.match(
          documentationOf(spec),
          /^(Understood|No effect|Refused): .{10,}\.( Accepted: .+\.)?$/s,
          spec.name,
        )
      }
    })
})
