import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { z } from 'zod'
import { AjnaError, errorKind } from '../errors/errors.ts'
import { silentLogger } from '../log/log.ts'
import { createHttpServer, type HttpServer } from './server.ts'
import { openSession, type Session, sessionOf } from './session.ts'

const REFUSED_FOR_TEST = errorKind('TEST_REFUSED', 'The test refuses.', 'Ask otherwise.')
const session: Session = sessionOf('t'.repeat(43))
const bearer = `Bearer ${session.token}`
const cookie = `${session.cookieName}=${session.cookieValue}`

let server: HttpServer
let base: string
let acts = 0

before(async () => {
  server = createHttpServer({
    title: 'test',
    version: '1',
    session,
    log: silentLogger,
    statuses: { TEST_REFUSED: 409 },
  })
  server.app.after(() => {
    const body = z.strictObject({ name: z.string().min(1).max(10), mode: z.enum(['preview', 'apply']) })
    server.app.post('/api/act', { schema: { body } }, async () => ({ acts: ++acts }))
    const querystring = z.object({ limit: z.coerce.number().int().min(1).max(500).default(50) })
    server.app.get('/api/read', { schema: { querystring } }, async request => ({
      limit: request.query.limit,
    }))
    server.app.get('/api/refused', async () => {
      throw new AjnaError(REFUSED_FOR_TEST, 'refused here', { details: { partition: 7 } })
    })
    server.app.get('/api/slow', async () => {
      const signal = AbortSignal.timeout(1)
      await once(signal, 'abort')
      signal.throwIfAborted()
    })
    server.app.get('/api/broken', async () => {
      throw new TypeError('secret inner text')
    })
    server.app.get(
      '/api/wrong',
      { schema: { response: { 200: z.object({ a: z.number() }) } } },
      async () => ({ a: 'x' }) as never,
    )
    server.app.get(
      '/api/things/:name',
      { schema: { params: z.object({ name: z.string().max(249) }) } },
      async request => request.params,
    )
    server.app.get('/page', async () => 'open')
  })
  base = await server.listen(0)
})

after(() => server.close())

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** One request as raw bytes, so that nothing a client library would mend is mended. */
function raw(text: string | Buffer): Promise<{ status: number; body: string; head: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(base).port), '127.0.0.1')
    const parts: Buffer[] = []
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer')))
    socket.on('connect', () => socket.write(text))
    socket.on('data', part => parts.push(part))
    socket.on('error', reject)
    socket.on('close', () => {
      const [head = '', ...rest] = Buffer.concat(parts).toString().split('\r\n\r\n')
      resolve({ status: Number(head.slice(9, 12)), head, body: rest.join('\r\n\r\n') })
    })
  })
}

function send({ method = 'GET', path = '/api/read', headers = {}, body = '' }: Sent): ReturnType<typeof raw> {
  const all: Record<string, string> = { host: new URL(base).host, connection: 'close', ...headers }
  if (body !== '' && all['content-length'] === undefined)
    all['content-length'] = String(Buffer.byteLength(body))
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return raw(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}

const json = { 'content-type': 'application/json', authorization: bearer }
const post = (body: string, headers: Record<string, string> = json): Sent => ({
  method: 'POST',
  path: '/api/act',
  headers,
  body,
})

const HOSTILE: readonly [what: string, request: Sent | string | Buffer, status: number, code: string][] = [
  ['no session', {}, 401, 'HTTP_UNAUTHENTICATED'],
  ['a wrong token', { headers: { authorization: `Bearer ${'x'.repeat(43)}` } }, 401, 'HTTP_UNAUTHENTICATED'],
  [
    'the token as a cookie',
    { headers: { cookie: `${session.cookieName}=${session.token}` } },
    401,
    'HTTP_UNAUTHENTICATED',
  ],
  [
    'another scheme',
    { headers: { authorization: `Basic ${btoa(`a:${session.token}`)}` } },
    401,
    'HTTP_UNAUTHENTICATED',
  ],
  ['a rebound name', { headers: { authorization: bearer, host: 'evil.example' } }, 421, 'HTTP_HOST_REFUSED'],
  [
    'a rebound name on an open page',
    { path: '/page', headers: { host: 'evil.example' } },
    421,
    'HTTP_HOST_REFUSED',
  ],
  [
    'another port of this machine',
    { headers: { cookie, 'sec-fetch-site': 'same-site' } },
    403,
    'HTTP_ORIGIN_REFUSED',
  ],
  [
    'another site reading',
    { headers: { cookie, 'sec-fetch-site': 'cross-site' } },
    403,
    'HTTP_ORIGIN_REFUSED',
  ],
  [
    'another origin acting',
    post('{}', { ...json, origin: 'https://evil.example' }),
    403,
    'HTTP_ORIGIN_REFUSED',
  ],
  ['a null origin acting', post('{}', { ...json, origin: 'null' }), 403, 'HTTP_ORIGIN_REFUSED'],
  [
    'a cookie acting from nowhere',
    post('{}', { 'content-type': 'application/json', cookie }),
    403,
    'HTTP_ORIGIN_REFUSED',
  ],
  [
    'an address that does not exist',
    { path: '/api/nothing', headers: { authorization: bearer } },
    404,
    'HTTP_NOT_FOUND',
  ],
  [
    'a path that climbs',
    { path: '/api/../../etc/passwd', headers: { authorization: bearer } },
    404,
    'HTTP_NOT_FOUND',
  ],
  [
    'bad percent-encoding',
    { path: '/api/things/%zz', headers: { authorization: bearer } },
    400,
    'HTTP_REQUEST_INVALID',
  ],
  [
    'a name of 300 characters',
    { path: `/api/things/${'a'.repeat(300)}`, headers: { authorization: bearer } },
    400,
    'HTTP_REQUEST_INVALID',
  ],
  [
    'an address of 5,000 characters',
    { path: `/api/read?x=${'a'.repeat(5_000)}`, headers: { authorization: bearer } },
    413,
    'HTTP_REQUEST_TOO_LARGE',
  ],
  [
    'headers of 20 KB',
    { headers: { authorization: bearer, x: 'a'.repeat(20_000) } },
    431,
    'HTTP_REQUEST_TOO_LARGE',
  ],
  ['no JSON', post('{'), 400, 'HTTP_REQUEST_INVALID'],
  ['an empty body', post('', { ...json, 'content-length': '0' }), 400, 'HTTP_REQUEST_INVALID'],
  ['a list for an object', post('[]'), 400, 'HTTP_REQUEST_INVALID'],
  ['null for an object', post('null'), 400, 'HTTP_REQUEST_INVALID'],
  [
    'a prototype',
    post('{"__proto__":{"admin":true},"name":"a","mode":"apply"}'),
    400,
    'HTTP_REQUEST_INVALID',
  ],
  [
    'a constructor',
    post('{"constructor":{"prototype":{"x":1}},"name":"a","mode":"apply"}'),
    400,
    'HTTP_REQUEST_INVALID',
  ],
  ['100,000 nested lists', post('['.repeat(100_000)), 400, 'HTTP_REQUEST_INVALID'],
  ['unknown fields', post('{"name":"a","mode":"apply","force":true}'), 400, 'HTTP_REQUEST_INVALID'],
  ['a number for a name', post('{"name":1e999,"mode":"apply"}'), 400, 'HTTP_REQUEST_INVALID'],
  [
    'a limit that is no number',
    { path: '/api/read?limit=NaN', headers: { authorization: bearer } },
    400,
    'HTTP_REQUEST_INVALID',
  ],
  [
    'the same field twice',
    { path: '/api/read?limit=1&limit=2', headers: { authorization: bearer } },
    400,
    'HTTP_REQUEST_INVALID',
  ],
  [
    'a form',
    post('name=a', { ...json, 'content-type': 'application/x-www-form-urlencoded' }),
    415,
    'HTTP_MEDIA_TYPE_REFUSED',
  ],
  [
    'no media type',
    post('{}', { authorization: bearer, 'content-type': 'x' }),
    415,
    'HTTP_MEDIA_TYPE_REFUSED',
  ],
  ['a body of 300 KB', post(`{"name":"${'a'.repeat(300_000)}"}`), 413, 'HTTP_REQUEST_TOO_LARGE'],
  ['an unknown method', { method: 'BREW', headers: { authorization: bearer } }, 400, 'HTTP_REQUEST_INVALID'],
  ['garbage', Buffer.from([0, 1, 2, 255, 13, 10, 13, 10]), 400, 'HTTP_REQUEST_INVALID'],
  ['a TLS hello', Buffer.from('16030100a5010000a1030300', 'hex'), 400, 'HTTP_REQUEST_INVALID'],
  [
    'two lengths',
    `POST /api/act HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
    400,
    'HTTP_REQUEST_INVALID',
  ],
  [
    'a length and chunks',
    `POST /api/act HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'HTTP_REQUEST_INVALID',
  ],
]

describe('hostile requests are answered clearly and change nothing', () => {
  for (const [what, request, status, code] of HOSTILE) {
    it(what, async () => {
      const answer = await (typeof request === 'object' && !Buffer.isBuffer(request)
        ? send(request)
        : raw(request))
      assert.equal(answer.status, status, answer.head + answer.body)
      const body = JSON.parse(answer.body)
      assert.equal(body.code, code)
      assert.ok(body.message.length > 0 && body.message.length < 500)
      assert.ok(body.remedy.length > 0)
      assert.equal(typeof body.details, 'object')
    })
  }
  it('leaves the server serving, and nothing was done', async () => {
    assert.equal(acts, 0)
    assert.equal((await send({ headers: { authorization: bearer } })).status, 200)
  })
})

describe('a session', () => {
  it('lets the console act with its cookie from its own origin', async () => {
    const headers = {
      'content-type': 'application/json',
      cookie,
      origin: base,
      'sec-fetch-site': 'same-origin',
    }
    assert.equal((await send(post('{"name":"a","mode":"apply"}', headers))).status, 200)
  })

  it('lets a program act with its bearer token', async () => {
    assert.equal((await send(post('{"name":"a","mode":"apply"}'))).status, 200)
  })

  it('exchanges the token for a strict cookie and leaves the address behind', async () => {
    const answer = await send({ path: `/login?token=${session.token}&next=/clusters/edge` })
    assert.equal(answer.status, 303)
    assert.match(answer.head, /location: \/clusters\/edge\r\n/i)
    assert.match(answer.head, /set-cookie: [^\r]*HttpOnly; SameSite=Strict/i)
    assert.ok(!answer.head.includes(session.token))
  })

  for (const next of [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '/\t/evil.example',
  ]) {
    it(`never sends a browser elsewhere: ${JSON.stringify(next)}`, async () => {
      const answer = await send({ path: `/login?token=${session.token}&next=${encodeURIComponent(next)}` })
      assert.match(answer.head, /location: \/\r\n/i)
    })
  }

  it('refuses a login with another token', async () => {
    assert.equal((await send({ path: `/login?token=${'x'.repeat(43)}` })).status, 401)
  })

  it('keeps its token in a file of its owner alone, the same for every starter', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ajna-session-'))
    try {
      const file = join(folder, 'run', 'token')
      const opened = await Promise.all(Array.from({ length: 5 }, () => openSession(file)))
      assert.equal(new Set(opened.map(each => each.token)).size, 1)
      assert.equal((await stat(file)).mode & 0o777, 0o600)
      assert.equal((await openSession(file)).token, opened[0]!.token)
      await writeFile(file, 'half a tok')
      assert.match((await openSession(file)).token, /^[\w-]{43}$/)
      assert.equal((await readFile(file, 'utf8')).length, 43)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('an error answer', () => {
  it('names the path, what was found and what is allowed', async () => {
    const answer = JSON.parse((await send(post('{"name":"a","mode":"delete"}'))).body)
    assert.equal(answer.message, 'body.mode: found "delete", allowed: one of preview, apply')
    assert.deepEqual(answer.details.problems, [
      { path: 'body.mode', found: '"delete"', allowed: 'one of preview, apply' },
    ])
  })

  it('carries a room’s code, remedy, details and status', async () => {
    const answer = await send({ path: '/api/refused', headers: { authorization: bearer } })
    assert.equal(answer.status, 409)
    assert.deepEqual(JSON.parse(answer.body), {
      code: 'TEST_REFUSED',
      message: 'refused here',
      remedy: 'Ask otherwise.',
      details: { partition: 7 },
    })
  })

  for (const path of ['/api/broken', '/api/wrong']) {
    it(`keeps what nobody foresaw out of the answer: ${path}`, async () => {
      const answer = await send({ path, headers: { authorization: bearer } })
      assert.equal(answer.status, 500)
      assert.equal(JSON.parse(answer.body).code, 'HTTP_INTERNAL')
      assert.ok(!answer.body.includes('secret'))
    })
  }

  it('says that something behind the server took too long', async () => {
    const answer = await send({ path: '/api/slow', headers: { authorization: bearer } })
    assert.deepEqual([answer.status, JSON.parse(answer.body).code], [504, 'HTTP_TIMED_OUT'])
  })

  it('has the security headers too', async () => {
    for (const path of ['/api/read', '/nowhere', '/page']) {
      const { head } = await send({ path })
      assert.match(head, /content-security-policy: default-src 'none'/i)
      assert.match(head, /x-content-type-options: nosniff/i)
      assert.ok(!/access-control-allow/i.test(head))
    }
  })
})

describe('a server for tools that know no session', () => {
  const serve = async (door: { access: 'session' | 'machine'; basicUser?: string }): Promise<HttpServer> => {
    const tools = createHttpServer({
      title: 'tools',
      version: '1',
      session,
      log: silentLogger,
      door,
      guarded: 'all',
      errorForm: (status, { code, message }) => ({ error_code: status, message: `${code}: ${message}` }),
    })
    tools.app.after(() => {
      tools.app.get('/things', async () => [])
      tools.app.put('/things', async () => [])
    })
    base = await tools.listen(0)
    return tools
  }
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
  const things = (headers: Record<string, string> = {}, method = 'PUT'): Sent => ({
    method,
    path: '/things',
    headers,
  })

  it('takes the token as a password, and nothing else', async () => {
    const before = base
    const tools = await serve({ access: 'session', basicUser: 'ajna' })
    try {
      assert.equal((await send(things(basic(`ajna:${session.token}`)))).status, 200)
      assert.equal((await send(things({ authorization: bearer }))).status, 200)
      for (const wrong of ['ajna:', `root:${session.token}`, `ajna:${session.token}x`, session.token, ''])
        assert.equal((await send(things(basic(wrong)))).status, 401, wrong)
      const answer = await send(things({}, 'GET'))
      assert.equal(answer.status, 401)
      assert.match(answer.head, /www-authenticate: Basic realm="ajna"/i)
      assert.deepEqual(JSON.parse(answer.body), {
        error_code: 401,
        message: 'HTTP_UNAUTHENTICATED: the request carries no session',
      })
      assert.equal((await send({ path: '/nowhere' })).status, 401)
    } finally {
      await tools.close()
      base = before
    }
  })

  it('lets in everyone on this machine but no page of a browser, when it is told to', async () => {
    const before = base
    const tools = await serve({ access: 'machine' })
    try {
      for (const method of ['GET', 'PUT']) {
        assert.equal((await send(things({}, method))).status, 200)
        assert.equal((await send(things({ host: 'evil.example' }, method))).status, 421)
        assert.equal((await send(things({ origin: 'http://evil.example' }, method))).status, 403)
        assert.equal((await send(things({ origin: 'http://127.0.0.1:1' }, method))).status, 403)
        assert.equal((await send(things({ 'sec-fetch-site': 'cross-site' }, method))).status, 403)
      }
      const answer = await send({ path: '/nowhere' })
      assert.equal(answer.status, 404)
      assert.equal(JSON.parse(answer.body).error_code, 404)
      const garbage = await raw('garbage\r\n\r\n')
      assert.deepEqual([garbage.status, JSON.parse(garbage.body).error_code], [400, 400])
    } finally {
      await tools.close()
      base = before
    }
  })

  it('is nobody else: a password opens no server that does not say so', async () => {
    assert.equal((await send({ headers: basic(`ajna:${session.token}`) })).status, 401)
  })
})
