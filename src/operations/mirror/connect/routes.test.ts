import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connectServer } from '../../../../test/mirror/connect-server.ts'
import { leastConfigs } from '../../../../test/mirror/connector-configs.ts'
import { memoryRegistry, partitionStatus } from '../../../../test/mirror/memory-registry.ts'
import { linkDefinitionSchema } from '../definition.ts'
import { LINK_CONNECTOR } from './config/link-connector.ts'
import { MIRUS_SOURCE } from './config/mirus.ts'
import { MIRROR_SOURCE } from './config/mm2.ts'

interface ErrorAnswer {
  readonly error_code: number
  readonly message: string
}

const mirus = leastConfigs[MIRUS_SOURCE]!
const mm2 = leastConfigs[MIRROR_SOURCE]!
const declared = linkDefinitionSchema.parse({
  name: 'declared',
  source: { cluster: 'edge' },
  target: { cluster: 'hub' },
  topics: { include: ['logs.*'] },
})

test('what is refused is told in Connect’s form, with Ajna’s code and what to do inside', async () => {
  await using server = await connectServer(memoryRegistry())
  const { status, body } = await server.json('PUT', '/connectors/l/config', {
    ...mirus,
    'topics.regex': '(a',
    'key.converter': 'com.acme.Json',
  })
  assert.equal(status, 400)
  const { error_code: code, message } = body as ErrorAnswer
  assert.equal(code, 400)
  assert.match(message, /^CONNECT_CONFIG_INVALID: the configuration has 2 problems\n/)
  assert.match(message, /\nkey.converter: "com.acme.Json" is refused. Records pass as bytes/)
  assert.match(message, /\ntopics.regex: "\(a": at character 3/)
  assert.match(message, /docs\/CONNECT.md/)
})

describe('a link declared in the fleet’s file', () => {
  test('is shown as a connector, whose configuration makes the same link', async () => {
    const registry = memoryRegistry()
    await registry.put(declared, { owner: 'fleet' })
    await using server = await connectServer(registry)
    assert.deepEqual((await server.json('GET', '/connectors')).body, ['declared'])
    const { body } = await server.json('GET', '/connectors/declared/config')
    const config = body as Record<string, string>
    assert.equal(config['connector.class'], LINK_CONNECTOR)
    await server.json('POST', '/connectors', { name: 'copy', config: { ...config, name: 'copy' } })
    assert.deepEqual(registry.get('copy')!.definition, { ...declared, name: 'copy' })
  })

  test('is what the file says, and paused, stopped and restarted by everybody', async () => {
    const registry = memoryRegistry()
    await registry.put(declared, { owner: 'fleet' })
    registry.calls.length = 0
    await using server = await connectServer(registry)
    const config = { ...leastConfigs[LINK_CONNECTOR], name: 'declared' }
    const refused: readonly (readonly [method: string, path: string, body?: unknown])[] = [
      ['PUT', '/connectors/declared/config', config],
      ['PATCH', '/connectors/declared/config', { 'ajna.max.gap': '1' }],
      ['DELETE', '/connectors/declared'],
    ]
    for (const [method, path, body] of refused) {
      const answer = await server.json(method, path, body)
      assert.equal(answer.status, 403, path)
      assert.match((answer.body as ErrorAnswer).message, /^LINK_OWNED: /)
    }
    assert.deepEqual(registry.calls, [])
    for (const verb of ['pause', 'resume', 'stop'])
      assert.ok((await server.ask('PUT', `/connectors/declared/${verb}`)).ok)
    assert.equal((await server.json('POST', '/connectors/declared/restart')).status, 204)
    assert.deepEqual(registry.calls, [
      'paused declared',
      'running declared',
      'stopped declared',
      'restart declared failed',
    ])
  })
})

describe('a server that is open to everyone on the machine', () => {
  test('acts as none of the fleet’s principals, reads no file it is told of, and leaves the fleet’s links alone', async () => {
    const registry = memoryRegistry()
    await registry.put(declared, { owner: 'fleet' })
    await using server = await connectServer(registry, { trusted: false })
    const refused = async (config: object): Promise<string> => {
      const { status, body } = await server.json('PUT', '/connectors/l/config', config)
      assert.equal(status, 400)
      return (body as ErrorAnswer).message
    }
    const { 'consumer.bootstrap.servers': _, ...sourceless } = mirus
    const asAdmin = { ...sourceless, 'ajna.source.cluster': 'edge', 'ajna.source.principal': 'admin' }
    assert.match(await refused(asAdmin), /ajna.source.cluster: is refused: this server is open to everyone/)
    assert.match(await refused(asAdmin), /ajna.source.principal: is refused/)
    const stores = {
      ...mirus,
      'consumer.security.protocol': 'SSL',
      'consumer.ssl.truststore.type': 'PEM',
      'consumer.ssl.truststore.location': '/home/me/.ajna/pki/ca.pem',
      'consumer.ssl.keystore.type': 'PEM',
      'consumer.ssl.keystore.location': '/state/mirror/pem/../../pki/admin/store.pem',
    }
    const told = await refused(stores)
    assert.match(told, /truststore.location: is refused: .* reads no files/)
    assert.match(told, /keystore.location: is refused/)
    for (const verb of ['pause', 'stop'])
      assert.equal((await server.json('PUT', `/connectors/declared/${verb}`)).status, 403)
    assert.equal((await server.json('PUT', '/connectors/l/config', mirus)).status, 201)
    assert.equal((await server.json('PUT', '/connectors/l/stop')).status, 204)
  })
})

describe('a configuration', () => {
  test('that changes nothing leaves the link alone', async () => {
    const registry = memoryRegistry()
    await using server = await connectServer(registry)
    for (const changes of [{}, {}, { 'ajna.max.gap': '7' }, { 'ajna.max.gap': '7' }])
      await server.json('PUT', '/connectors/l/config', { ...mirus, ...changes })
    assert.deepEqual(registry.calls, ['put l', 'put l'])
    assert.equal(registry.get('l')!.definition.maxGap, 7)
  })

  test('changes what a link does and not whether it runs', async () => {
    const registry = memoryRegistry()
    await using server = await connectServer(registry)
    await server.json('POST', '/connectors', { name: 'l', config: mirus, initial_state: 'STOPPED' })
    await server.json('PUT', '/connectors/l/config', { ...mirus, 'topics.whitelist': 'a,b' })
    const { desired, topics } = registry.get('l')!.definition
    assert.deepEqual([desired, topics.include], ['stopped', ['a', 'b']])
  })

  test('decided on an older one is refused, and may be tried again', async () => {
    const registry = memoryRegistry()
    await using server = await connectServer(registry)
    await server.json('PUT', '/connectors/l/config', mirus)
    const [first, second] = await Promise.all([
      server.json('PATCH', '/connectors/l/config', { 'topics.whitelist': 'a' }),
      server.json('PATCH', '/connectors/l/config', { 'ajna.max.gap': '5' }),
    ])
    // Both decided on the same version: the registry takes one of them, or they came one after the other.
    for (const { status } of [first, second]) assert.ok(status === 200 || status === 409, String(status))
  })

  test('keeps no secret: a key given as text is a file by the time the link is put', async () => {
    const registry = memoryRegistry()
    await using server = await connectServer(registry)
    const pem = (label: string): string => `-----BEGIN ${label}-----\nc2VjcmV0\n-----END ${label}-----\n`
    const { status, body } = await server.json('PUT', '/connectors/l/config', {
      ...mirus,
      'consumer.security.protocol': 'SSL',
      'consumer.ssl.truststore.certificates': pem('CERTIFICATE'),
      'consumer.ssl.keystore.key': pem('PRIVATE KEY'),
      'consumer.ssl.keystore.certificate.chain': pem('CERTIFICATE'),
    })
    assert.equal(status, 201)
    // The target takes over what the source says, here the same files.
    assert.equal(new Set(server.files.map(({ path }) => path)).size, 2)
    const kept = JSON.stringify([body, registry.get('l')])
    assert.ok(!kept.includes('c2VjcmV0'))
    const { body: config } = await server.json('GET', '/connectors/l/config')
    assert.equal((await server.json('PUT', '/connectors/l/config', config)).status, 200)
    assert.deepEqual(registry.calls, ['put l'])
  })

  test('of a link that was changed elsewhere since is what the link is now', async () => {
    const registry = memoryRegistry()
    await using server = await connectServer(registry)
    await server.json('PUT', '/connectors/l/config', mirus)
    const { definition, annotations } = registry.get('l')!
    await registry.put({ ...definition, maxGap: 9 }, { annotations })
    const { body } = await server.json('GET', '/connectors/l/config')
    const config = body as Record<string, string>
    assert.deepEqual([config['connector.class'], config['ajna.max.gap']], [LINK_CONNECTOR, '9'])
  })
})

describe('restarts', () => {
  test('begin anew what they name: all, what failed, one task’s partitions', async () => {
    const registry = memoryRegistry()
    await using server = await connectServer(registry)
    await server.json('PUT', '/connectors/l/config', { ...mirus, 'tasks.max': '2' })
    registry.say('l', { partitions: [0, 1, 2].map(partition => partitionStatus('orders', partition)) })
    registry.calls.length = 0
    const ask = async (path: string): Promise<number> => {
      const response = await server.ask('POST', `/connectors/l${path}`, { body: '' })
      return response.status
    }
    assert.equal(await ask('/restart'), 204)
    assert.equal(await ask('/restart?includeTasks=true'), 202)
    assert.equal(await ask('/restart?includeTasks=true&onlyFailed=true'), 202)
    assert.equal(await ask('/tasks/0/restart'), 204)
    assert.equal(await ask('/tasks/2/restart'), 404)
    assert.deepEqual(registry.calls, [
      'restart l failed',
      'restart l all',
      'restart l failed',
      'restart l all orders-0,orders-2',
    ])
  })
})

describe('tasks', () => {
  test('have their partitions as the original writes them', async () => {
    const registry = memoryRegistry()
    await using server = await connectServer(registry)
    const taskConfigs = async (name: string, config: object): Promise<Record<string, string>[]> => {
      await server.json('PUT', `/connectors/${name}/config`, { ...config, name, 'tasks.max': '2' })
      registry.say(name, { partitions: [0, 1, 2].map(partition => partitionStatus('o', partition)) })
      const { body } = await server.json('GET', `/connectors/${name}/tasks`)
      return (body as { config: Record<string, string> }[]).map(task => task.config)
    }
    assert.deepEqual(
      (await taskConfigs('a', mirus)).map(config => config['partitions']),
      ['[{"topic":"o","partition":0},{"topic":"o","partition":2}]', '[{"topic":"o","partition":1}]'],
    )
    assert.deepEqual(
      (await taskConfigs('b', mm2)).map(config => config['task.assigned.partitions']),
      ['o-0,o-2', 'o-1'],
    )
  })
})

describe('active topics', () => {
  test('are the copies that hold something, and after a reset those written to since', async () => {
    const registry = memoryRegistry()
    await using server = await connectServer(registry)
    await server.json('PUT', '/connectors/l/config', { ...mirus, 'destination.topic.name.suffix': '.copy' })
    const say = (a: number, b: number): void =>
      registry.say('l', {
        partitions: [
          partitionStatus('a', 0, { targetEnd: a }),
          partitionStatus('a', 1, { targetEnd: null }),
          partitionStatus('b', 0, { targetEnd: b }),
          partitionStatus('c', 0),
        ],
      })
    const topics = async (): Promise<unknown> => (await server.json('GET', '/connectors/l/topics')).body
    say(5, 7)
    assert.deepEqual(await topics(), { l: { topics: ['a.copy', 'b.copy'] } })
    assert.equal((await server.json('PUT', '/connectors/l/topics/reset')).status, 202)
    assert.deepEqual(await topics(), { l: { topics: [] } })
    say(5, 8)
    assert.deepEqual(await topics(), { l: { topics: ['b.copy'] } })
    // The copy was deleted, and begun anew.
    say(2, 8)
    assert.deepEqual(await topics(), { l: { topics: ['a.copy', 'b.copy'] } })
    await server.json('DELETE', '/connectors/l')
    await server.json('PUT', '/connectors/l/config', mirus)
    assert.deepEqual(await topics(), { l: { topics: ['a', 'b'] } })
  })
})

describe('plugins', () => {
  test('are those that make links; what a configuration may name besides is listed when asked for', async () => {
    await using server = await connectServer(memoryRegistry())
    const classes = async (query = ''): Promise<string[]> => {
      const { body } = await server.json('GET', `/connector-plugins${query}`)
      return (body as { class: string }[]).map(plugin => plugin.class)
    }
    assert.deepEqual(await classes(), [LINK_CONNECTOR, MIRUS_SOURCE, MIRROR_SOURCE])
    const all = await classes('?connectorsOnly=false')
    assert.deepEqual(all.slice(3), [
      'org.apache.kafka.connect.transforms.RegexRouter',
      'org.apache.kafka.connect.transforms.Filter',
      'org.apache.kafka.connect.transforms.predicates.HasHeaderKey',
      'org.apache.kafka.connect.converters.ByteArrayConverter',
      'org.apache.kafka.connect.converters.ByteArrayConverter',
    ])
    for (const name of all)
      assert.equal((await server.json('GET', `/connector-plugins/${name}/config`)).status, 200, name)
  })

  test('say of every key what becomes of it', async () => {
    await using server = await connectServer(memoryRegistry())
    const { body } = await server.json('GET', '/connector-plugins/MirusSource/config')
    const keys = body as { name: string; documentation: string }[]
    const of = (name: string) => keys.find(key => key.name === name)!.documentation
    assert.match(of('destination.topic.name.suffix'), /^Understood: suffix of the copies/)
    assert.match(of('poll.timeout.ms'), /^No effect: /)
    assert.match(of('errors.tolerance'), /^Refused: Nothing is ever left out/)
  })
})

describe('hostile requests', () => {
  test('are answered in Connect’s form and change nothing', async () => {
    const registry = memoryRegistry()
    await using server = await connectServer(registry)
    const asks: readonly (readonly [
      method: string,
      path: string,
      body: string | undefined,
      status: number,
    ])[] = [
      ['PUT', '/connectors/l/config', `{"a":"${'x'.repeat(300_000)}"}`, 413],
      ['PUT', '/connectors/l/config', '{"__proto__":{"a":"b"}}', 400],
      ['PUT', '/connectors/l/config', '{"constructor":"x"}', 400],
      ['PUT', '/connectors/l/config', '"x"', 400],
      ['PUT', '/connectors/__proto__/config', '{"connector.class":"MirusSource"}', 400],
      ['GET', '/connectors/__proto__', undefined, 404],
      ['GET', '/connectors/constructor/status', undefined, 404],
      ['PUT', '/connector-plugins/constructor/config/validate', '{}', 404],
      ['GET', '/connectors/%00', undefined, 404],
      ['GET', '/connectors/%', undefined, 400],
      ['GET', `/connectors/${'x'.repeat(5_000)}`, undefined, 413],
      ['PATCH', '/connectors/l/offsets', '{"offsets":{}}', 400],
    ]
    for (const [method, path, body, status] of asks) {
      const response = await server.ask(method, path, body === undefined ? {} : { body })
      const answer = (await response.json()) as ErrorAnswer
      assert.deepEqual(
        [response.status, answer.error_code],
        [status, status],
        `${method} ${path.slice(0, 60)}`,
      )
      assert.match(answer.message, /^(CONNECT|HTTP|LINK)_[A-Z_]+: /)
    }
    assert.deepEqual(registry.calls, [])
  })
})
