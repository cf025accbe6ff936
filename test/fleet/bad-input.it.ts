import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { dataOf } from '../../src/entry/api/client.ts'
import { clusterAddress, type FleetFile, readFleetFile } from '../../src/entry/fleet-file.ts'
import { sessionOf } from '../../src/foundation/http/session.ts'
import { openCluster } from '../../src/foundation/kafka/admin.ts'
import { encodePosition, POSITION_HEADER } from '../../src/foundation/positions/position.ts'
import { type StreamDescriptor, streamDescriptor } from '../../src/foundation/positions/streams.ts'
import { ensureAuthority, issueCertificate } from '../../src/foundation/tls/authority.ts'
import { identity } from '../../src/foundation/tls/store.ts'
import { BatchBuilder, type RecordInput } from '../../src/foundation/wire/build.ts'
import type { Codec } from '../../src/foundation/wire/codecs.ts'
import type { Producer, TlsIdentity } from '../../src/foundation/wire/contract.ts'
import { openWire } from '../../src/foundation/wire/wire.ts'
import { ADMIN_PRINCIPAL } from '../../src/operations/fleet/contract.ts'
import { encodeSample } from '../../src/operations/hosts/contract.ts'
import { type FleetUnderTest, pidsOf, type Said, startFleet, until } from './harness.ts'
import { exchange, parseAnswer, type RawAnswer, rawRequest } from './raw-http.ts'

const PATIENT_MS = 120_000
const MIB = 1024 * 1024

const spec = await readFile(new URL('two-small-sites.yaml', import.meta.url), 'utf8')

test('bad input of every kind is told, changes nothing and breaks nothing', { timeout: 900_000 }, async t => {
  await using fleet = await startFleet(spec)
  await until('the link has made its copies', PATIENT_MS, async () => (await topicsOf(fleet)).length === 10)
  const before = await stateOf(fleet)
  /** @param restarted roles that were killed on purpose */
  const unharmed = async (restarted: readonly string[] = []): Promise<void> => {
    const after = await stateOf(fleet)
    const others = ({ pids }: FleetState) =>
      Object.entries(pids).filter(([name]) => !restarted.includes(name))
    assert.deepEqual(others(after), others(before))
    assert.deepEqual(after.topics, before.topics)
    assert.equal(after.accepted, before.accepted)
    const status = await fleet.ajna('status')
    assert.equal(status.code, 0, status.out)
  }
  // Half a request, from now until the server has had enough of it.
  const halfRequests = Promise.all(
    Array.from({ length: 50 }, () =>
      exchange(portOf(fleet), 'GET /api/fleet HTTP/1.1\r\nhost: x', PATIENT_MS),
    ),
  )

  await t.test('declarations', async s => {
    for (const [what, content, found] of declarations) {
      await s.test(what, async () => {
        const file = join(fleet.folder, 'bad.yaml')
        await writeFile(
          file,
          typeof content === 'string' ? content.replaceAll('$HERE', fleet.folder) : content,
        )
        const said = await fleet.ajna('apply', '-f', file)
        assertError(said, 2, 'CONFIG_INVALID')
        assert.match(said.err, found)
      })
    }
    for (const [what, file, code] of [
      ['a directory', '.', 'FLEET_FILE_MISSING'],
      ['a device without an end', '/dev/zero', 'CONFIG_INVALID'],
      ['what is not there', 'nothing.yaml', 'FLEET_FILE_MISSING'],
    ] as const)
      await s.test(what, async () => assertError(await fleet.ajna('plan', '-f', file), 2, code))
    await unharmed()
  })

  await t.test('commands', async s => {
    for (const [args, exit, code] of commands)
      await s.test(args.join(' '), async () => {
        const said = await fleet.ajna(...args)
        if (code === undefined) {
          assert.match(said.err, /^error: .+/m)
          assert.equal(said.code, exit, said.err)
        } else assertError(said, exit, code)
        assert.equal(said.out, '')
      })
    const moved = await fleet.ajnaWith({ AJNA_PORT_BASE: 'high' }, 'apply', '-f', fleet.file)
    assertError(moved, 1, 'PORTS_FILE_INVALID')
    await unharmed()
  })

  await t.test('requests to the API', async s => {
    for (const [what, request, status, code] of requests(fleet))
      await s.test(what, async () => assertAnswer(await rawRequest(portOf(fleet), request), status, code))
    await unharmed()
  })

  await t.test('bytes that are no requests, at every loopback port', async () => {
    const { ports, placed } = await readFleetFile(fleet.home)
    const hello = Buffer.from('16030100a5010000a1030300', 'hex')
    for (const port of Object.values(ports) as number[])
      for (const bytes of [randomBytes(100), hello, 'GET / HTTP/0.0\r\n\r\n'])
        assert.equal(parseAnswer(await exchange(port, bytes)).status, 400)
    for (const role of ['agent', 'archive', 'mirror'] as const)
      for (const token of ['', 'x'.repeat(43)]) {
        const headers = token === '' ? {} : { authorization: `Bearer ${token}` }
        assertAnswer(
          await rawRequest(ports[role], { path: role === 'mirror' ? '/api/links' : '/api/status', headers }),
          401,
          'HTTP_UNAUTHENTICATED',
        )
      }
    const brokerPorts = placed.flatMap(({ nodes }) =>
      nodes.flatMap(node => [node.ports.client, node.ports.internal, node.ports.controller]),
    )
    const answers = brokerPorts.flatMap(port =>
      // A frame that claims 2 GiB; nothing of Kafka's; Kafka's own request, but not encrypted.
      [
        Buffer.from('7fffffff00030004', 'hex'),
        randomBytes(1_000),
        Buffer.from('0000000e001200000000000100046b636174', 'hex'),
      ].map(bytes => exchange(port, bytes)),
    )
    // At most a TLS alert.
    for (const answer of await Promise.all(answers)) assert.ok(answer.length <= 64)
    await unharmed()
  })

  await t.test('certificates: missing, of another authority, expired, of another principal', async () => {
    const file = await readFleetFile(fleet.home)
    const [edge] = file.placed
    const listeners = edge!.nodes.flatMap(({ ports }) => [ports.client, ports.internal, ports.controller])
    for (const [what, presented] of await strangersCertificates(fleet, file))
      for (const port of listeners) assert.equal(await isLetIn(port, presented), false, `${what} at ${port}`)
    const own = await identity(fleet.home.pki, 'auditor-edge')
    assert.equal(await isLetIn(edge!.nodes[0]!.ports.client, own), true)
    // Known, but not for this topic.
    await using wire = await wireAs(fleet, 'edge', 'auditor-edge')
    await using producer = await wire.producer({}, AbortSignal.timeout(PATIENT_MS))
    await assert.rejects(
      producer.append('logs.edge', 0, batchOf([{ timestamp: 1, value: Buffer.from('forged') }])),
      /TOPIC_AUTHORIZATION_FAILED/,
    )
    await unharmed()
  })

  await t.test('garbage in shipped files arrives byte for byte', async () => {
    const path = join(fleet.folder, 'files', 'garbage.log')
    const lines = [
      Buffer.from('plain'),
      Buffer.from([0, 1, 2, 255, 254]),
      Buffer.from('carriage\rreturn\r'),
      Buffer.alloc(0),
      Buffer.from('x'.repeat(300_000)),
      Buffer.from('latin \xe9', 'latin1'),
      Buffer.from('last'),
    ]
    await writeFile(path, Buffer.concat(lines.flatMap(line => [line, Buffer.from('\n')])))
    const sql = `SELECT hex(coalesce(raw, encode(line))) FROM logs WHERE file = '${path}' ORDER BY position`
    const longest = 256 * 1024
    const expected = lines.flatMap(line =>
      line.length <= longest ? [line] : [line.subarray(0, longest), line.subarray(longest)],
    )
    await until(
      'they have arrived',
      PATIENT_MS,
      async () => (await fleet.query(sql)).length >= expected.length,
    )
    assert.deepEqual(
      (await fleet.query(sql)).map(([hex]) => hex),
      expected.map(line => line.toString('hex').toUpperCase()),
    )
    await unharmed()
  })

  await t.test('garbage in the platform’s topics is passed over and said', async () => {
    await writePoison(fleet)
    const lines = join(fleet.folder, 'files', 'after.log')
    await appendFile(lines, 'after the poison\n')
    await until(
      'lines go on',
      PATIENT_MS,
      async () => (await fleet.query(`SELECT 1 FROM logs WHERE line = 'after the poison'`)).length === 1,
    )
    await until('every tier’s counter has read to the end', PATIENT_MS, async () => {
      const to = Date.now()
      const { counters } = dataOf(
        await fleet.api.GET('/api/completeness', { params: { query: { from: to - 1, to } } }),
      )
      return (
        counters.length >= 2 && counters.every(({ lag, withoutPosition }) => lag === 0 && withoutPosition > 3)
      )
    })
    const poisonedAt = Date.now()
    await until('metrics go on', PATIENT_MS, async () => {
      const { metrics } = dataOf(await fleet.api.GET('/api/metrics'))
      assert.ok(metrics.every(({ name }) => !name.includes('poison')))
      return metrics.some(({ name, lastTime }) => name === 'host_cpu_busy_ratio' && lastTime > poisonedAt)
    })
    await until(
      'the auditor’s word goes on being heard',
      PATIENT_MS,
      async () => (await auditedBytes(fleet, lines)) === 'after the poison\n'.length,
    )
    await until('it is said', PATIENT_MS, async () => {
      const [archive, control] = await Promise.all(
        ['archive', 'control'].map(role => readFile(join(fleet.home.logs, `${role}.log`), 'utf8')),
      )
      const said: readonly [string, RegExp][] = [
        [archive!, /batches cannot be read; their offsets are said to be missing/],
        [archive!, /records that describe no stream were passed over/],
        [control!, /"purpose":"local".*records cannot be read/],
        [control!, /"purpose":"aggregate".*records cannot be read/],
        [control!, /"purpose":"audit".*records cannot be read/],
        [control!, /metrics cannot be read; passed over/],
        [control!, /descriptions cannot be read; passed over/],
      ]
      return said.every(([log, words]) => words.test(log))
    })
    const messages = await fleet.ajna('topic', 'show', 'logs.edge')
    assert.equal(messages.code, 0, messages.err)
    await unharmed()
  })

  await t.test('damaged state files', async s => {
    const state = await readFleetFile(fleet.home)
    for (const [what, damage] of Object.entries(readDamages(fleet, state)))
      await s.test(what, async () => {
        const kept = await readFile(damage.file)
        await writeFile(damage.file, kept.subarray(0, Math.floor(kept.length / 2)))
        try {
          await damage.told()
        } finally {
          await writeFile(damage.file, kept)
        }
      })
    await unharmed()

    const restarted = ['agent', 'auditor', 'archive', 'control']
    await s.test('the roles’ own: rebuilt, and nothing is shipped twice', async () => {
      const total = await lineCount(fleet)
      // Stopped first: what runs would save over the damage.
      const pids = await pidsOf(fleet)
      for (const role of restarted) process.kill(pids[role]!, 'SIGSTOP')
      await damageRoleState(fleet)
      for (const role of restarted) await fleet.killAndAwait(role)
      await until('what the archive cannot read is told', PATIENT_MS, async () => {
        const said = await fleet.ajna('logs', 'query', 'SELECT 1 FROM logs')
        return said.err.includes('ARCHIVE_MANIFEST_INVALID')
      })
      assertError(await fleet.ajna('logs', 'query', 'SELECT 1 FROM logs'), 1, 'ARCHIVE_MANIFEST_INVALID')
      await rm(strayManifest(fleet))
      await appendFile(join(fleet.folder, 'files', 'after.log'), 'after the damage\n')
      await until('lines go on', PATIENT_MS, async () => (await lineCount(fleet)) > total)
      await until(
        'the auditor goes on',
        PATIENT_MS,
        async () =>
          (await auditedBytes(fleet, join(fleet.folder, 'files', 'after.log'))) ===
          'after the poison\nafter the damage\n'.length,
      )
      assert.equal(await lineCount(fleet), total + 1)
      for (const [role, words] of [
        ['agent', 'the checkpoint is damaged'],
        ['auditor', 'the positions are damaged'],
        ['control', 'the completeness ledger is damaged'],
      ])
        assert.match(await readFile(join(fleet.home.logs, `${role}.log`), 'utf8'), new RegExp(words!))
    })
    await unharmed(restarted)
  })

  await t.test('half requests are answered or closed, and held nobody else up', async () => {
    for (const answer of await halfRequests)
      assert.ok(answer.length === 0 || parseAnswer(answer).status === 408)
  })
})

/* ---- what the fleet is, before and after ---- */

interface FleetState {
  readonly pids: Record<string, number>
  readonly topics: readonly string[]
  /** The accepted declaration. */
  readonly accepted: string
}

async function stateOf(fleet: FleetUnderTest): Promise<FleetState> {
  return {
    pids: await pidsOf(fleet),
    topics: await topicsOf(fleet),
    accepted: JSON.stringify((await readFleetFile(fleet.home)).fleet),
  }
}

/** Cluster, name, id, partitions; Kafka's own aside. */
async function topicsOf({ home }: FleetUnderTest): Promise<string[]> {
  const file = await readFleetFile(home)
  const topics = await Promise.all(
    file.placed.map(async ({ name }) => {
      const address = await clusterAddress(file, name, () => identity(home.pki, ADMIN_PRINCIPAL))
      await using admin = openCluster({ ...address, clientId: 'test' })
      const described = await admin.describeTopics('all')
      return described
        .filter(({ internal }) => !internal)
        .map(topic => `${name} ${topic.name} ${topic.id} ${topic.partitions.length}`)
    }),
  )
  return topics.flat().sort()
}

/** Exit code, stable code, cause, what to do; no trace. */
function assertError({ code, err }: Said, exit: number, kind: string): void {
  assert.match(err, new RegExp(`(^|\\n)error ${kind}: .+`), err.slice(0, 2_000))
  assert.match(err, /\n {2}what to do: .+/, err.slice(0, 2_000))
  assert.doesNotMatch(err, /\n\s+at /)
  assert.ok(err.length < 10_000, 'it fits a screen or two')
  assert.equal(code, exit)
}

function assertAnswer({ status, body }: RawAnswer, expected: number, kind: string): void {
  assert.equal(status, expected, body.slice(0, 1_000))
  const error = JSON.parse(body) as { code: string; message: string; remedy: string; details: unknown }
  assert.equal(error.code, kind, body)
  assert.ok(error.message.length > 0 && error.message.length < 1_000, body)
  assert.ok(error.remedy.length > 0)
  assert.equal(typeof error.details, 'object')
}

const portOf = ({ base }: FleetUnderTest): number => Number(new URL(base).port)

/* ---- declarations ---- */

/** `&b [*a, *a, …]` nine times: 9⁹ values from 400 bytes. */
const bomb = `apiVersion: ajna/v1\na0: &a0 [x, x, x, x, x, x, x, x, x]\n${Array.from({ length: 8 }, (_, at) => `a${at + 1}: &a${at + 1} [${Array(9).fill(`*a${at}`).join(', ')}]\n`).join('')}`
const altered = (from: string | RegExp, to: string): string => spec.replace(from, to)

const declarations: readonly [what: string, content: string | Buffer, found: RegExp][] = [
  ['binary garbage', randomBytes(5_000), /allowed/],
  ['ten megabytes', `${spec}${'# padding\n'.repeat(MIB)}`, /at most 4194304 bytes/],
  ['ten megabytes in one line', `fleet: ${'x'.repeat(10 * MIB)}`, /at most 4194304 bytes/],
  ['a bomb of aliases', bomb, /aliases of anchors that exist/],
  ['an alias to itself', 'fleet: &a [*a]', /allowed/],
  ['a hundred thousand lists', '['.repeat(100_000), /allowed/],
  ['two documents', `${spec}\n---\n${spec}`, /one YAML document/],
  ['nothing', '', /found nothing/],
  ['a list', '- a\n- b\n', /allowed/],
  ['NUL bytes', spec.replaceAll(' ', '\0'), /allowed/],
  ['UTF-16', Buffer.from(spec, 'utf16le'), /allowed/],
  ['tabs', altered('  edge: {', '\tedge: {'), /:\d+:\d+/],
  ['a key twice', altered('  hub:\nclusters', '  hub:\n  hub:\nclusters'), /a second time/],
  ['a prototype', altered('tenants:', '__proto__: { polluted: true }\ntenants:'), /__proto__/],
  ['an unknown key', altered('partitions: 2', 'partition: 2'), /did you mean partitions\?/],
  ['wrong types', altered('partitions: 2', 'partitions: [two]'), /whole number/],
  [
    'min ISR = RF',
    altered('partitions: 2', 'replicationFactor: 1, minInsyncReplicas: 2'),
    /minInsyncReplicas/,
  ],
  ['more replicas than racks', altered('partitions: 2', 'replicationFactor: 2'), /replicationFactor/],
  [
    'a loop of links',
    altered('ship:', '  back: { from: hub, to: edge, topics: [logs.edge] }\nship:'),
    /in a loop/,
  ],
  ['a path that climbs', altered('$HERE/files', '../../etc'), /an absolute path/],
]

/* ---- commands ---- */

const commands: readonly [args: readonly string[], exit: number, code: string | undefined][] = [
  [['destroy', 'everything'], 2, undefined],
  [['apply'], 2, undefined],
  [['logs', 'tail', '--lines', '-1'], 2, undefined],
  [['logs', 'query', 'SELECT passwords FROM logs'], 2, 'SQL_INVALID'],
  [['logs', 'query', "COPY logs TO 'stolen'"], 3, 'SQL_FORBIDDEN'],
  [['topic', 'show', '../../etc/passwd'], 2, 'API_TOPIC_UNKNOWN'],
  [['cluster', 'show', 'x'.repeat(300)], 2, 'HTTP_REQUEST_INVALID'],
  [['link', 'verify', 'nothing'], 2, 'LINK_UNKNOWN'],
  [['certs', 'renew', 'nobody'], 1, 'TLS_CERT_MISSING'],
  [['completeness', '--bucket', 'yesterday'], 2, 'BUCKET_INVALID'],
]

/* ---- requests ---- */

function requests(
  fleet: FleetUnderTest,
): readonly [what: string, request: Parameters<typeof rawRequest>[1], status: number, code: string][] {
  const { token } = fleet
  const authorization = `Bearer ${token}`
  const { cookieName, cookieValue } = sessionOf(token)
  const json = { authorization, 'content-type': 'application/json' }
  const get = (path: string, headers: Record<string, string> = { authorization }) => ({ path, headers })
  const post = (path: string, body: string, headers: Record<string, string> = json) => ({
    method: 'POST',
    path,
    headers,
    body,
  })
  const sql = (text: string) => post('/api/logs/query', JSON.stringify({ sql: text }))
  const restart = '/api/clusters/edge/brokers/1/restart'
  return [
    ['no session', get('/api/fleet', {}), 401, 'HTTP_UNAUTHENTICATED'],
    [
      'another token',
      get('/api/fleet', { authorization: `Bearer ${'x'.repeat(43)}` }),
      401,
      'HTTP_UNAUTHENTICATED',
    ],
    [
      'half a token',
      get('/api/fleet', { authorization: authorization.slice(0, 30) }),
      401,
      'HTTP_UNAUTHENTICATED',
    ],
    [
      'half a cookie',
      get('/api/fleet', { cookie: `${cookieName}=${cookieValue.slice(0, 20)}` }),
      401,
      'HTTP_UNAUTHENTICATED',
    ],
    ['a login with another token', get(`/login?token=${'x'.repeat(43)}`, {}), 401, 'HTTP_UNAUTHENTICATED'],
    [
      'a foreign host',
      get('/api/fleet', { authorization, host: 'ajna.evil.example' }),
      421,
      'HTTP_HOST_REFUSED',
    ],
    [
      'a foreign origin',
      post(restart, '{}', { ...json, origin: 'https://evil.example' }),
      403,
      'HTTP_ORIGIN_REFUSED',
    ],
    [
      'a cookie from another page',
      post(restart, '{}', {
        'content-type': 'application/json',
        cookie: `${cookieName}=${cookieValue}`,
        'sec-fetch-site': 'same-site',
      }),
      403,
      'HTTP_ORIGIN_REFUSED',
    ],
    [
      'a form',
      post('/api/logs/query', 'sql=SELECT+1', {
        ...json,
        'content-type': 'application/x-www-form-urlencoded',
      }),
      415,
      'HTTP_MEDIA_TYPE_REFUSED',
    ],
    ['a hundred thousand lists', post('/api/logs/query', '['.repeat(100_000)), 400, 'HTTP_REQUEST_INVALID'],
    [
      'a megabyte',
      post('/api/logs/query', JSON.stringify({ sql: 'x'.repeat(MIB) })),
      413,
      'HTTP_REQUEST_TOO_LARGE',
    ],
    [
      'two lengths of body',
      {
        ...post('/api/logs/query', '{}'),
        headers: { ...json, 'content-length': '2', 'transfer-encoding': 'chunked' },
      },
      400,
      'HTTP_REQUEST_INVALID',
    ],
    ['SQL that does not parse', sql('SELEC 1'), 400, 'SQL_INVALID'],
    ['SQL that reads a file', sql(`SELECT * FROM read_text('${fleet.home.token}')`), 403, 'SQL_FORBIDDEN'],
    ['SQL that reads a file by its name', sql(`SELECT * FROM '/etc/passwd'`), 403, 'SQL_FORBIDDEN'],
    ['SQL that writes a file', sql(`COPY (SELECT 1) TO '${fleet.folder}/stolen'`), 403, 'SQL_FORBIDDEN'],
    ['SQL that attaches', sql(`ATTACH '${fleet.folder}/x.db'`), 403, 'SQL_FORBIDDEN'],
    ['SQL that loads', sql('INSTALL httpfs'), 403, 'SQL_FORBIDDEN'],
    ['two statements', sql('SELECT 1; SELECT 2'), 403, 'SQL_FORBIDDEN'],
    ['SQL that wants all memory', sql('SELECT list(range) FROM range(10000000000)'), 413, 'SQL_TOO_LARGE'],
    ['SQL whose answer is too large', sql(`SELECT repeat('x', 100000000)`), 413, 'SQL_TOO_LARGE'],
    ['a path that climbs', get('/api/topics/..%2f..%2f..%2fetc%2fpasswd'), 404, 'API_TOPIC_UNKNOWN'],
    ['a page that climbs', get('/assets/../../../../../../etc/passwd', {}), 404, 'HTTP_NOT_FOUND'],
    [
      'a page that climbs in disguise',
      get('/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd', {}),
      404,
      'HTTP_NOT_FOUND',
    ],
    [
      'a partition that is not',
      get('/api/topics/logs.edge/messages?cluster=edge&partition=99999'),
      404,
      'API_TOPIC_UNKNOWN',
    ],
    [
      'an offset below none',
      get('/api/topics/logs.edge/messages?cluster=edge&from=offset&at=-1'),
      400,
      'HTTP_REQUEST_INVALID',
    ],
    ['a step of nothing', get('/api/metrics/range?name=up&from=0&to=1&step=0'), 400, 'HTTP_REQUEST_INVALID'],
    [
      'a range without an end',
      get('/api/metrics/range?name=up&from=0&to=Infinity&step=1000'),
      400,
      'HTTP_REQUEST_INVALID',
    ],
    [
      'a range backwards',
      get('/api/metrics/range?name=up&from=10&to=1&step=1000'),
      400,
      'HTTP_REQUEST_INVALID',
    ],
    ['a limit of a billion', get('/api/activity?limit=1000000000'), 400, 'HTTP_REQUEST_INVALID'],
    ['a bucket that is no time', get('/api/completeness/yesterday'), 400, 'HTTP_REQUEST_INVALID'],
    [
      'an act without a reason',
      post(restart, JSON.stringify({ confirm: 'edge-1' })),
      400,
      'HTTP_REQUEST_INVALID',
    ],
    [
      'an act on another’s name',
      post(restart, JSON.stringify({ reason: 'test', confirm: 'hub-1' })),
      422,
      'API_CONFIRMATION_WRONG',
    ],
    [
      'an act that would stop writes',
      post(restart, JSON.stringify({ reason: 'test', confirm: 'edge-1' })),
      409,
      'API_ACT_REFUSED',
    ],
  ]
}

/* ---- certificates ---- */

async function strangersCertificates(
  fleet: FleetUnderTest,
  file: FleetFile,
): Promise<readonly [string, TlsIdentity | undefined][]> {
  const otherPki = join(fleet.folder, 'other-pki')
  await issueCertificate(await ensureAuthority(otherPki), { principal: ADMIN_PRINCIPAL, site: 'edge' })
  const ours = await identity(fleet.home.pki, ADMIN_PRINCIPAL)
  const foreign = await identity(otherPki, ADMIN_PRINCIPAL)
  // Issued by the fleet's own authority two years ago; kept beside the real ones, under a name nobody uses.
  const longAgo = await ensureAuthority(fleet.home.pki, { now: () => Date.now() - 1_000 })
  const expired = { ...longAgo, now: () => Date.now() - 2 * 365 * 86_400_000 }
  const [site] = file.fleet.sites
  await issueCertificate(expired, { principal: 'expired', site: site!.name, validDays: 1 })
  const [key, cert] = await Promise.all(
    ['key.pem', 'cert.pem'].map(name => readFile(join(fleet.home.pki, 'expired', name), 'utf8')),
  )
  await rm(join(fleet.home.pki, 'expired'), { recursive: true })
  return [
    ['no certificate', undefined],
    ['a certificate of another authority', { ...foreign, ca: ours.ca }],
    ['an expired certificate', { ca: ours.ca, key: key!, cert: cert! }],
  ]
}

/** Whether a broker answers a request of Kafka's to whoever presents this. */
async function isLetIn(port: number, presented: TlsIdentity | undefined): Promise<boolean> {
  // ApiVersions v0.
  const request = Buffer.from('0000000e001200000000000100046b636174', 'hex')
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...presented })
  return new Promise(resolve => {
    socket.setTimeout(PATIENT_MS, () => socket.destroy())
    socket.once('secureConnect', () => socket.write(request))
    socket.once('data', () => {
      resolve(true)
      socket.destroy()
    })
    socket.once('error', () => undefined)
    socket.once('close', () => resolve(false))
  })
}

/* ---- poison ---- */

async function wireAs(fleet: FleetUnderTest, cluster: string, principal: string) {
  const file = await readFleetFile(fleet.home)
  return openWire({
    ...(await clusterAddress(file, cluster, () => identity(fleet.home.pki, principal))),
    clientId: 'test',
  })
}

function batchOf(records: readonly RecordInput[], codec: Codec = 'none'): Buffer {
  const builder = new BatchBuilder({ codec, maxBytes: 512 * MIB })
  for (const record of records) assert.ok(builder.add(record))
  return builder.finish()
}

/** Records that brokers take and that no agent or auditor writes, as the one who may write anywhere. */
async function writePoison(fleet: FleetUnderTest): Promise<void> {
  await using wire = await wireAs(fleet, 'edge', ADMIN_PRINCIPAL)
  await using producer: Producer = await wire.producer({}, AbortSignal.timeout(PATIENT_MS))
  const now = Date.now()
  const record = (value: Buffer | null, more: Partial<RecordInput> = {}): RecordInput => ({
    timestamp: now,
    value,
    ...more,
  })
  const position = (value: Buffer | null) => ({ headers: [{ key: POSITION_HEADER, value }] })
  const garbage = [
    record(randomBytes(300)),
    record(null),
    record(Buffer.alloc(0)),
    record(Buffer.from('{"type":')),
    record(randomBytes(900_000)),
    record(Buffer.from('x'), { timestamp: 0 }),
  ]
  const topics = ['logs.edge', 'metrics.edge', 'ajna.streams.edge', 'ajna.audit.edge']
  for (const topic of topics) for (const each of garbage) await producer.append(topic, 0, batchOf([each]))
  const badPositions = [
    null,
    Buffer.alloc(0),
    randomBytes(5),
    randomBytes(60),
    Buffer.alloc(30, 0xff),
    encodePosition({
      stream: '00000000deadbeef',
      start: 2 ** 52,
      length: 2 ** 51,
      eventDelta: -(2 ** 52),
      hash: 1,
    }),
  ]
  for (const value of badPositions)
    await producer.append('logs.edge', 0, batchOf([record(Buffer.from('forged'), position(value))]))
  for (const word of auditPoison)
    await producer.append('ajna.audit.edge', 0, batchOf([record(Buffer.from(JSON.stringify(word)))]))
  const sample = { time: now, name: 'poison', labels: {}, value: 1, unit: '' }
  for (const strange of [
    { value: Number.NaN },
    { time: now + 1e12 },
    { name: 'poison '.repeat(1_000) },
    { labels: { poison: 'x'.repeat(100_000) } },
  ])
    await producer.append('metrics.edge', 0, batchOf([record(encodeSample({ ...sample, ...strange }))]))
  const described: StreamDescriptor = {
    stream: '../../../../etc',
    site: '\0',
    tenant: '../../..',
    kind: 'log',
    host: '<script>',
    path: 'x'.repeat(100_000),
    device: null,
    inode: null,
    birthtime: -1,
    firstLineHash: null,
    firstSeen: -1,
  }
  await producer.append('ajna.streams.edge', 0, batchOf([record(streamDescriptor.encode(described))]))
  // 200 MB of nothing in some kilobytes: more than any reader unpacks.
  for (const topic of topics)
    await producer.append(topic, 0, batchOf([record(Buffer.alloc(200 * MIB))], 'zstd'))
}

const auditPoison: readonly unknown[] = [
  { type: 'ranges', stream: '00000000deadbeef', ranges: [{ bucket: 600_000, start: 10, end: 1, lines: 1 }] },
  { type: 'ranges', stream: '00000000deadbeef', ranges: [{ bucket: 7, start: 0, end: 1, lines: 1 }] },
  {
    type: 'ranges',
    stream: '00000000deadbeef',
    ranges: [{ bucket: -600_000, start: -5, end: 1e300, lines: -1 }],
  },
  { type: 'ranges', stream: '__proto__', ranges: [] },
  { type: 'watch', host: 'x'.repeat(100_000), site: 'edge', at: 1, files: 1, pendingBytes: 0 },
  {
    type: 'stream',
    stream: '00000000deadbeef',
    site: 'edge',
    host: 'h',
    tenant: 't',
    path: 'p',
    firstSeen: 1e300,
  },
  { type: 'unseen' },
  [],
  null,
]

/* ---- damaged state ---- */

/** Files that are only read now and then, and how their damage is told. */
function readDamages(
  fleet: FleetUnderTest,
  { host }: FleetFile,
): Record<string, { file: string; told: () => Promise<void> }> {
  const { home, ajna } = fleet
  return {
    'fleet.json': {
      file: home.fleet,
      told: async () => assertError(await ajna('topic', 'list'), 1, 'HOME_DAMAGED'),
    },
    'ports.json': {
      file: home.ports,
      told: async () => assertError(await ajna('apply', '-f', fleet.file), 1, 'PORTS_FILE_INVALID'),
    },
    'the token': {
      file: home.token,
      told: async () => assertError(await ajna('topic', 'list'), 1, 'SESSION_MISSING'),
    },
    'a certificate': {
      file: join(home.pki, ADMIN_PRINCIPAL, 'store.pem'),
      told: async () => assertError(await ajna('plan', '-f', fleet.file), 1, 'TLS_CERT_UNREADABLE'),
    },
    'a pid file': {
      file: join(home.run, 'mirror.json'),
      told: async () => assert.equal((await ajna('status')).code, 0),
    },
    'the host plan': {
      file: home.hostPlan(host),
      told: () =>
        until('the agent says so', PATIENT_MS, async () =>
          (await readFile(join(home.logs, 'agent.log'), 'utf8')).includes('plan.json is not JSON'),
        ),
    },
    'the copy of the activity': {
      file: home.activityCopy,
      told: async () => assert.equal((await ajna('activity')).code, 0),
    },
  }
}

const strayManifest = ({ home }: FleetUnderTest): string =>
  join(home.objects, 'manifest', 'logs.edge@stray', '0', `${'0'.repeat(16)}.json`)

/** What each role keeps for itself, cut in half or replaced by garbage; what is left of tails and caches; a manifest. */
async function damageRoleState(fleet: FleetUnderTest): Promise<void> {
  const { home } = fleet
  const half = async (file: string): Promise<void> => {
    const text = await readFile(file)
    await writeFile(`${file}.test`, text.subarray(0, Math.floor(text.length / 2)))
    await rename(`${file}.test`, file)
  }
  const garbage = async (...parts: string[]): Promise<void> => {
    const file = join(home.root, ...parts)
    await mkdir(join(file, '..'), { recursive: true })
    await writeFile(file, randomBytes(1_000))
  }
  await half(join(home.role('agent'), 'checkpoint.json'))
  await half(join(home.role('auditor'), 'positions.json'))
  await half(join(home.role('control'), 'completeness.json'))
  await garbage('agent', 'spool', '0000000000000001.spool')
  for (const folder of await readdir(join(home.role('archive'), 'state')))
    await garbage('archive', 'state', folder, 'left-over.parquet')
  await garbage('archive', 'state', 'cache', 'x.parquet.part')
  await garbage('outbox', '1700000000000.garbage.0.json')
  await mkdir(join(strayManifest(fleet), '..'), { recursive: true })
  await writeFile(strayManifest(fleet), '{"version":1,')
}

async function lineCount(fleet: FleetUnderTest): Promise<number> {
  const [[count] = []] = await fleet.query(`SELECT count(*) FROM logs WHERE file LIKE '${fleet.folder}%'`)
  return Number(count)
}

/** Of a file, over all buckets of late. */
async function auditedBytes(fleet: FleetUnderTest, path: string): Promise<number> {
  const to = Date.now()
  const { buckets } = dataOf(
    await fleet.api.GET('/api/completeness', { params: { query: { from: to - 3_600_000, to } } }),
  )
  const pages = await Promise.all(
    buckets.map(({ bucket }) =>
      fleet.api.GET('/api/completeness/{bucket}', { params: { path: { bucket }, query: { limit: 500 } } }),
    ),
  )
  return pages
    .flatMap(page => dataOf(page).items)
    .filter(each => each.path === path)
    .reduce((sum, { auditedBytes: bytes }) => sum + bytes, 0)
}
