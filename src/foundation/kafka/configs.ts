import {
  describeConfigsV3,
  describeConfigsV4,
  incrementalAlterConfigsV0,
  incrementalAlterConfigsV1,
} from '@platformatic/kafka'
import type { AjnaError } from '../errors/errors.ts'
import type { CallOptions, Calls, ItemOutcome, Target } from './calls.ts'
import { codecs } from './connections.ts'
import { byName } from './topics.ts'
import { chunked } from './values.ts'

export interface ConfigResource {
  readonly kind: 'topic' | 'broker'
  /** A topic's name, a broker's id, or empty for the default of all brokers. */
  readonly name: string
}

export interface ConfigEntry {
  readonly name: string
  /** Null: sensitive, and so not told. */
  readonly value: string | null
  /** `own`: set on this resource; the others are inherited. */
  readonly source: 'own' | 'broker' | 'cluster' | 'file' | 'default' | 'other'
  readonly readOnly: boolean
}

export interface ConfigChange {
  readonly resource: ConfigResource
  /** Null: back to the default. Settings not named stay as they are (KIP-339). */
  readonly set: Readonly<Record<string, string | null>>
}

export interface DescribedConfig {
  readonly resource: ConfigResource
  /** By name; empty when it failed. */
  readonly entries: ReadonlyMap<string, ConfigEntry>
  readonly error: AjnaError | null
}

export interface ConfigAdmin {
  /** Every setting of each resource, or `only` those named. Those of a broker are told by itself only. */
  describeConfigs(
    resources: readonly ConfigResource[],
    options?: CallOptions & { readonly only?: readonly string[] },
  ): Promise<readonly DescribedConfig[]>
  alterConfigs(
    changes: readonly ConfigChange[],
    options?: CallOptions,
  ): Promise<readonly ItemOutcome<ConfigChange>[]>
}

const DESCRIBE = codecs(describeConfigsV4.api, describeConfigsV3.api)
const ALTER = codecs(incrementalAlterConfigsV1.api, incrementalAlterConfigsV0.api)

const RESOURCES_PER_REQUEST = 250
const kinds = { topic: 2, broker: 4 } as const
const SET = 0
const DELETE = 1

/** DescribeConfigs' config_source (KIP-226): the resource's own dynamic settings, then what it inherits. */
const sources: Readonly<Record<number, ConfigEntry['source']>> = {
  1: 'own',
  2: 'broker',
  3: 'cluster',
  4: 'file',
  5: 'default',
}

const keyOf = ({ kind, name }: ConfigResource): string => `${kinds[kind]} ${name}`
const keyOfResult = (result: { resourceType: number; resourceName: string }): string =>
  `${result.resourceType} ${result.resourceName}`
const label = ({ kind, name }: ConfigResource): string => `${kind} ${name === '' ? 'default' : name}`

export function configAdmin(calls: Calls): ConfigAdmin {
  return {
    async describeConfigs(resources, { only, ...options } = {}) {
      const described = new Map<ConfigResource, ReadonlyMap<string, ConfigEntry>>()
      const outcomes = await Promise.all(
        chunked(resources, RESOURCES_PER_REQUEST).map(chunk =>
          calls.each(
            resource => `describe the settings of ${label(resource)}`,
            chunk,
            options,
            async (pending, once) => {
              const answers = await Promise.all(
                [...byTarget(pending, each => each, 'any')].map(([target, its]) => {
                  const asked = its.map(({ kind, name }) => ({
                    resourceType: kinds[kind],
                    resourceName: name,
                    configurationKeys: only === undefined ? null : [...only],
                  }))
                  return once(target, DESCRIBE, [asked, false, false])
                }),
              )
              const results = answers.flatMap(answer => answer.results)
              const found = new Map(results.map(result => [keyOfResult(result), result]))
              for (const resource of pending) {
                const configs = found.get(keyOf(resource))?.configs ?? []
                described.set(resource, new Map(configs.map(each => [each.name, entryOf(each)])))
              }
              return byName(results, keyOfResult, keyOf)
            },
          ),
        ),
      )
      return outcomes
        .flat()
        .map(({ item, error }) => ({ resource: item, entries: described.get(item) ?? new Map(), error }))
    },

    alterConfigs: (changes, options = {}) =>
      calls.each(
        change => `change the settings of ${label(change.resource)}`,
        changes,
        options,
        async (pending, once) => {
          const answers = await Promise.all(
            [...byTarget(pending, ({ resource }) => resource, 'controller')].map(([target, its]) => {
              const asked = its.map(({ resource, set }) => ({
                resourceType: kinds[resource.kind],
                resourceName: resource.name,
                configs: Object.entries(set).map(([name, value]) =>
                  value === null
                    ? ({ name, configOperation: DELETE } as const)
                    : ({ name, value, configOperation: SET } as const),
                ),
              }))
              return once(target, ALTER, [asked, false])
            }),
          )
          const responses = answers.flatMap(answer => answer.responses)
          return byName(responses, keyOfResult, change => keyOf(change.resource))
        },
      ),
  }
}

/** What one broker has for itself only that one answers for (KIP-226). */
function byTarget<T>(
  items: readonly T[],
  resourceOf: (item: T) => ConfigResource,
  others: 'any' | 'controller',
): ReadonlyMap<Target, readonly T[]> {
  const groups = Map.groupBy(items, item => {
    const { kind, name } = resourceOf(item)
    return kind === 'broker' && name !== '' ? Number(name) : others
  })
  return new Map(
    [...groups].map(([to, its]) => [typeof to === 'number' ? { to: 'broker', id: to } : { to }, its]),
  )
}

const entryOf = (config: {
  name: string
  value: string | null | undefined
  configSource: number
  readOnly: boolean
}): ConfigEntry => ({
  name: config.name,
  value: config.value ?? null,
  source: sources[config.configSource] ?? 'other',
  readOnly: config.readOnly,
})
