import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveFleet } from '../../operations/fleet/resolve.ts'
import { readSpec } from '../../operations/fleet/spec.ts'
import type { FleetFile } from '../fleet-file.ts'
import { roleDigest, roleOfProcess, roleProcessesOf, roleProcessNamed } from './roles.ts'

function fileOf(more: string): FleetFile {
  const text = `apiVersion: ajna/v1
fleet: f
sites: { a: , b: }
clusters: { near: { site: a, brokers: 1 }, far: { site: b, brokers: 1 } }
tenants: { t: }
topics: { orders: { cluster: near, tenant: t } }
links: { up: { from: near, to: far, topics: [orders] } }
${more}`
  return {
    fleet: resolveFleet(readSpec(text, 'x'), { directory: '/', home: '/' }),
    placed: [],
    host: 'h',
    ports: { console: 1, agent: 2, archive: 3, mirror: 4, connect: 5 },
    acceptedAt: '',
  }
}

const names = (more: string): string[] => roleProcessesOf(fileOf(more)).map(({ name }) => name)

test('a machine runs as many workers of links as its fleet says, the first under the role’s own name', () => {
  assert.deepEqual(names(''), ['mirror', 'control'])
  assert.deepEqual(names('mirror: { workers: 3 }'), ['mirror', 'mirror-2', 'mirror-3', 'control'])
})

test('a process’s name says its role and which of it it is; other names say nothing', () => {
  for (const each of roleProcessesOf(fileOf('mirror: { workers: 64 }')))
    assert.deepEqual(roleOfProcess(each.name), each)
  for (const name of ['mirror-1', 'mirror-0', 'mirror-02', 'mirror-', 'mirrors', 'kafka-edge-2', 'up', ''])
    assert.equal(roleOfProcess(name), undefined, name)
})

test('another number of workers restarts nothing, and another listener of Connect the first only', () => {
  const digests = (more: string) =>
    new Map(
      [roleProcessNamed('mirror', 1), roleProcessNamed('mirror', 2), roleProcessNamed('control', 1)].map(
        each => [each.name, roleDigest(each, fileOf(more), 'token')],
      ),
    )
  const before = digests('')
  assert.deepEqual(digests('mirror: { workers: 2 }'), before)
  const open = digests('connect: { access: machine }')
  assert.notEqual(open.get('mirror'), before.get('mirror'))
  assert.equal(open.get('mirror-2'), before.get('mirror-2'))
})
