import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AclBinding, aclKey, describeAcl, type Quota } from '../../../foundation/kafka/security.ts'
import { identity, type KeepScope } from './facts.ts'
import { aclDifference, quotaDifference, rightsOf } from './rights.ts'

const acl = (fields: Partial<AclBinding>): AclBinding => ({
  resource: 'topic',
  name: 'orders',
  pattern: 'literal',
  principal: 'User:app',
  host: '*',
  operation: 'read',
  permission: 'allow',
  ...fields,
})

const everything = { include: ['*'], exclude: [] }
const nothing = { include: [], exclude: [] }

const scope = (fields: Partial<KeepScope['keep']> = {}): KeepScope => ({
  keep: {
    acls: everything,
    quotas: everything,
    groups: { include: ['app.*', 'single'], exclude: [] },
    foreignPositions: 'leave',
    everyMs: 5_000,
    ...fields,
  },
  topics: [
    { source: 'orders', copy: 'orders' },
    { source: 'orders.eu', copy: 'orders.eu' },
    { source: 'logs', copy: 'edge.logs' },
  ],
  linkPrincipals: ['User:link'],
  translate: identity,
})

const texts = (acls: readonly AclBinding[]): string[] => acls.map(describeAcl).sort()
const wanted = (acls: AclBinding[], fields: Partial<KeepScope['keep']> = {}): string[] =>
  texts(rightsOf(acls, scope(fields)).wanted)

test('readers of copied topics may read the copies, under the copies’ names, and no other topic', () => {
  assert.deepEqual(wanted([acl({})]), ['User:app may read topic orders'])
  assert.deepEqual(wanted([acl({ name: 'logs', operation: 'describe' })]), [
    'User:app may describe topic edge.logs',
  ])
  assert.deepEqual(wanted([acl({ name: 'secrets' })]), [])
})

test('a rule on a prefix or on all topics is said topic by topic: it must not reach what is no copy', () => {
  assert.deepEqual(wanted([acl({ name: 'orders', pattern: 'prefixed' })]), [
    'User:app may read topic orders',
    'User:app may read topic orders.eu',
  ])
  assert.deepEqual(wanted([acl({ name: '*' })]), [
    'User:app may read topic edge.logs',
    'User:app may read topic orders',
    'User:app may read topic orders.eu',
  ])
})

test('nobody may write a copy: of a rule that allows everything the reading follows', () => {
  const rights = rightsOf(
    [acl({ operation: 'all' }), acl({ operation: 'write' }), acl({ operation: 'delete' })],
    scope(),
  )
  assert.deepEqual(texts(rights.wanted), [
    'User:app may describeConfigs topic orders',
    'User:app may read topic orders',
  ])
  assert.deepEqual(texts(rights.writers), [
    'User:app may all topic orders',
    'User:app may delete topic orders',
    'User:app may write topic orders',
  ])
})

test('writers are remembered with their transactional ids, whichever principals are kept in step', () => {
  const acls = [
    acl({ operation: 'write' }),
    acl({ resource: 'transactionalId', name: 'app.', pattern: 'prefixed', operation: 'write' }),
    acl({ resource: 'transactionalId', name: 'x', principal: 'User:reader', operation: 'write' }),
    acl({ principal: 'User:link', operation: 'write' }),
  ]
  assert.deepEqual(texts(rightsOf(acls, scope({ acls: nothing })).writers), [
    'User:app may write topic orders',
    'User:app may write transactionalId app.*',
  ])
})

test('who is denied to write goes with the writers, not with the copy: an opened copy denies it too', () => {
  const denied = acl({ permission: 'deny', operation: 'write', principal: 'User:eu', name: 'orders.eu' })
  const everybody = acl({ permission: 'deny', operation: 'write', principal: 'User:*' })
  const allowed = acl({ operation: 'write', principal: 'User:eu', pattern: 'prefixed' })
  const rights = rightsOf([denied, everybody, allowed], scope())
  assert.deepEqual(rights.wanted, [])
  assert.deepEqual(texts(rights.writers), [
    'User:eu may not write topic orders.eu',
    'User:eu may write topic orders',
    'User:eu may write topic orders.eu',
  ])
})

test('what denies follows, but not what would deny the link its own work', () => {
  const denied = acl({ permission: 'deny', operation: 'read', principal: 'User:bad' })
  const all = acl({ permission: 'deny', operation: 'write', principal: 'User:*' })
  const link = acl({ permission: 'deny', operation: 'all', principal: 'User:link' })
  const rights = rightsOf([denied, all, link], scope())
  assert.deepEqual(texts(rights.wanted), ['User:bad may not read topic orders'])
  assert.deepEqual(rights.left, [
    {
      what: 'acl',
      subject: 'User:* may not write topic orders',
      reason: 'it would stop the link itself',
    },
  ])
})

test('rules on groups follow for the groups that are meant; a prefix stays one only if all it reaches is meant', () => {
  const group = (name: string, pattern: AclBinding['pattern'] = 'literal') =>
    acl({ resource: 'group', name, pattern })
  const rights = rightsOf(
    [group('single'), group('app.web'), group('other'), group('app.w', 'prefixed'), group('a', 'prefixed')],
    scope(),
  )
  assert.deepEqual(texts(rights.wanted), [
    'User:app may read group app.w*',
    'User:app may read group app.web',
    'User:app may read group single',
  ])
  assert.deepEqual(
    rights.left.map(({ subject }) => subject),
    ['User:app may read group a*'],
  )
  assert.deepEqual(wanted([group('*')], { groups: everything }), ['User:app may read group *'])
  assert.deepEqual(wanted([group('single')], { groups: nothing }), [])
})

test('only principals that are meant, and never the link’s own', () => {
  const acls = [acl({}), acl({ principal: 'User:ops' }), acl({ principal: 'User:link' })]
  assert.deepEqual(wanted(acls, { acls: { include: ['User:*'], exclude: ['User:ops'] } }), [
    'User:app may read topic orders',
  ])
})

const anyAcl = fc.record({
  resource: fc.constantFrom('topic' as const, 'group' as const),
  name: fc.constantFrom('orders', 'orders.eu', 'logs', 'app.x', 'else'),
  pattern: fc.constantFrom('literal' as const, 'prefixed' as const),
  principal: fc.constantFrom('User:a', 'User:b'),
  host: fc.constant('*'),
  operation: fc.constantFrom('read' as const, 'write' as const, 'describe' as const, 'all' as const),
  permission: fc.constantFrom('allow' as const, 'deny' as const),
})
const anyAcls = fc.uniqueArray(anyAcl, { selector: aclKey, maxLength: 12 })

/** A target after the changes. */
function applied(
  actual: readonly AclBinding[],
  changes: ReturnType<typeof aclDifference>['changes'],
): AclBinding[] {
  const there = new Map(actual.map(each => [aclKey(each), each]))
  for (const { kind, acl: each } of changes)
    if (kind === 'create-acl') there.set(aclKey(each), each)
    else there.delete(aclKey(each))
  return [...there.values()]
}

test('rules: whatever the source does, one round brings the target in step, and what others put there stays', () => {
  fc.assert(
    fc.property(anyAcls, fc.array(anyAcls, { minLength: 1, maxLength: 5 }), (foreign, looks) => {
      let actual: readonly AclBinding[] = foreign
      let ours: readonly AclBinding[] = []
      for (const look of looks) {
        const { wanted: want } = rightsOf(look, scope())
        const decided = aclDifference(want, actual, ours)
        actual = applied(actual, decided.changes)
        ours = decided.ours
        assert.deepEqual(aclDifference(want, actual, ours).changes, [])
        const keys = new Set(actual.map(aclKey))
        assert.ok([...foreign, ...want].every(each => keys.has(aclKey(each))))
        // Nothing else is there: what the source revoked is gone.
        assert.equal(keys.size, new Set([...foreign, ...want].map(aclKey)).size)
      }
    }),
  )
})

test('a rule that somebody took away at the target is restored, and said to be', () => {
  const { changes, ours } = aclDifference([acl({})], [], [acl({})])
  assert.deepEqual(changes, [{ kind: 'create-acl', acl: acl({}), why: 'restored' }])
  assert.deepEqual(ours, [acl({})])
})

test('a rule that was there before the link is not the link’s: it stays when the source revokes it', () => {
  const first = aclDifference([acl({})], [acl({})], [])
  assert.deepEqual(first, { changes: [], ours: [] })
  assert.deepEqual(aclDifference([], [acl({})], first.ours), { changes: [], ours: [] })
})

/* ---- quotas ---- */

const quota = (user: string, producerBytesPerSecond?: number, requestPercentage?: number): Quota => ({
  entity: { user },
  values: {
    ...(producerBytesPerSecond === undefined ? {} : { producerBytesPerSecond }),
    ...(requestPercentage === undefined ? {} : { requestPercentage }),
  },
})

test('quotas: new, changed, revoked, restored; each value by itself', () => {
  const ours = [quota('kept', 1), quota('changed', 1), quota('revoked', 1, 2), quota('restored', 1)]
  const source = [
    quota('new', 5),
    quota('kept', 1),
    quota('changed', 2),
    quota('revoked', 1),
    quota('restored', 1),
  ]
  const target = [quota('kept', 1), quota('changed', 1), quota('revoked', 1, 2)]
  const { changes, left, ours: after } = quotaDifference(source, target, ours, scope())
  assert.deepEqual(left, [])
  assert.deepEqual(
    changes.map(({ entity, set, from, why }) => [entity.user, set, from, why]),
    [
      ['changed', { producerBytesPerSecond: 2 }, { producerBytesPerSecond: 1 }, 'changed'],
      ['new', { producerBytesPerSecond: 5 }, {}, 'new'],
      ['restored', { producerBytesPerSecond: 1 }, {}, 'restored'],
      ['revoked', { requestPercentage: null }, { requestPercentage: 2 }, 'revoked'],
    ],
  )
  assert.deepEqual(new Map(after.map(each => [each.entity.user, each.values])).get('revoked'), {
    producerBytesPerSecond: 1,
  })
})

test('a quota that somebody else set at the target is left alone and said', () => {
  const decided = quotaDifference([quota('a', 10)], [quota('a', 7)], [quota('a', 10)], scope())
  assert.deepEqual(decided.changes, [])
  assert.deepEqual(decided.ours, [])
  assert.deepEqual(decided.left, [
    {
      what: 'quota',
      subject: 'user=a',
      reason: 'producerBytesPerSecond was set at the target to 7 by somebody else',
    },
  ])
})

test('quotas of entities that are not meant do not follow', () => {
  const meant = { include: ['user=a*', 'user=<default>,client-id=*'], exclude: ['user=admin'] }
  const source: Quota[] = [
    quota('a', 1),
    quota('admin', 1),
    quota('b', 1),
    { entity: { user: null, clientId: 'c' }, values: { producerBytesPerSecond: 1 } },
    { entity: { user: null }, values: { producerBytesPerSecond: 1 } },
  ]
  const { changes } = quotaDifference(source, [], [], scope({ quotas: meant }))
  assert.deepEqual(
    changes.map(({ entity }) => entity),
    [{ user: null, clientId: 'c' }, { user: 'a' }],
  )
})

test('quotas: one round brings the target in step, and values that others set stay', () => {
  const value = fc.option(fc.constantFrom(1, 2, 3), { nil: undefined })
  const quotas = fc
    .tuple(value, value, value)
    .map(values =>
      ['a', 'b', 'c'].flatMap((user, at) => (values[at] === undefined ? [] : [quota(user, values[at])])),
    )
  fc.assert(
    fc.property(quotas, fc.array(quotas, { minLength: 1, maxLength: 5 }), (foreign, looks) => {
      let actual: readonly Quota[] = foreign
      let ours: readonly Quota[] = []
      for (const look of looks) {
        const decided = quotaDifference(look, actual, ours, scope())
        const there = new Map(actual.map(each => [each.entity.user, { ...each.values }]))
        for (const { entity, set } of decided.changes) {
          const limit = set.producerBytesPerSecond
          assert.ok(!foreign.some(each => each.entity.user === entity.user))
          if (limit === null || limit === undefined) there.delete(entity.user)
          else there.set(entity.user, { producerBytesPerSecond: limit })
        }
        actual = [...there].map(([user, values]) => ({ entity: { user: user! }, values }))
        ours = decided.ours
        assert.deepEqual(quotaDifference(look, actual, ours, scope()).changes, [])
        const alien = new Set(foreign.map(({ entity }) => entity.user))
        for (const each of look)
          if (!alien.has(each.entity.user)) assert.deepEqual(there.get(each.entity.user), each.values)
      }
    }),
  )
})
