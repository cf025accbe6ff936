import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AclBinding, aclKey, describeAcl } from '../../../foundation/kafka/security.ts'
import { fenceOf, reservationOf, rulesTogether, sealOf, withoutRules, writersOf } from './rules.ts'

const TOPICS = ['orders', 'orders.eu', 'logs']

const acl = (fields: Partial<AclBinding>): AclBinding => ({
  resource: 'topic',
  name: 'orders',
  pattern: 'literal',
  principal: 'User:app',
  host: '*',
  operation: 'write',
  permission: 'allow',
  ...fields,
})

const writers = (acls: readonly AclBinding[]) => Object.fromEntries(writersOf(acls, TOPICS))

test('who may write is read from literal rules, prefixes, wildcards and rules that allow everything', () => {
  assert.deepEqual(
    writers([
      acl({}),
      acl({ principal: 'User:eu', name: 'orders', pattern: 'prefixed' }),
      acl({ principal: 'User:ops', name: '*', operation: 'all' }),
      acl({ principal: 'User:reader', operation: 'read' }),
      acl({ principal: 'User:group', resource: 'group', operation: 'all' }),
      acl({ principal: 'User:else', name: 'else' }),
    ]),
    {
      'User:app': ['orders'],
      'User:eu': ['orders', 'orders.eu'],
      'User:ops': TOPICS,
    },
  )
})

test('a denial goes before every allowance, for one and for everybody; one from a single host closes nothing', () => {
  const allowed = [acl({}), acl({ principal: 'User:eu', name: 'orders', pattern: 'prefixed' })]
  const deny = (fields: Partial<AclBinding>) => acl({ permission: 'deny', ...fields })
  assert.deepEqual(writers([...allowed, deny({})]), { 'User:eu': ['orders', 'orders.eu'] })
  assert.deepEqual(writers([...allowed, deny({ principal: 'User:*' })]), { 'User:eu': ['orders.eu'] })
  assert.deepEqual(writers([...allowed, deny({ principal: 'User:*', name: '*' })]), {})
  assert.deepEqual(writers([...allowed, deny({ host: '10.0.0.1' })]), writers(allowed))
  assert.deepEqual(writers([...allowed, deny({ operation: 'read' })]), writers(allowed))
})

test('everybody may write is said as an obstacle: no denial by name helps against it', () => {
  const { denials, obstacles } = reservationOf(
    [acl({ principal: 'User:*', name: 'orders', pattern: 'prefixed' }), acl({})],
    TOPICS,
    'User:link',
  )
  assert.deepEqual(denials.map(describeAcl), ['User:app may not write topic orders'])
  assert.deepEqual(obstacles, ['User:* may write topic orders*'])
})

const anyAcl = fc.record({
  resource: fc.constantFrom('topic' as const, 'group' as const),
  name: fc.constantFrom('orders', 'orders.eu', 'logs', 'or', '*', 'else'),
  pattern: fc.constantFrom('literal' as const, 'prefixed' as const),
  principal: fc.constantFrom('User:a', 'User:b', 'User:link', 'User:*'),
  host: fc.constantFrom('*', '10.0.0.1'),
  operation: fc.constantFrom('read' as const, 'write' as const, 'all' as const),
  permission: fc.constantFrom('allow' as const, 'deny' as const),
})
const anyAcls = fc.uniqueArray(anyAcl, { selector: aclKey, maxLength: 15 })

/** What StandardAuthorizer decides: a denial that matches, else an allowance that does. */
function mayWrite(acls: readonly AclBinding[], principal: string, topic: string, host: string): boolean {
  const matching = acls.filter(
    each =>
      each.resource === 'topic' &&
      (each.operation === 'write' || each.operation === 'all') &&
      (each.principal === principal || each.principal === 'User:*') &&
      (each.host === '*' || each.host === host) &&
      (each.pattern === 'prefixed' ? topic.startsWith(each.name) : each.name === '*' || each.name === topic),
  )
  return !matching.some(each => each.permission === 'deny') && matching.length > 0
}

const HOSTS = ['10.0.0.1', '10.0.0.2']
const EVERYONE = ['User:a', 'User:b', 'User:link', 'User:new']

test('sealed, nobody writes, whatever the rules', () => {
  fc.assert(
    fc.property(anyAcls, acls => {
      const sealed = [...acls, ...sealOf(TOPICS)]
      for (const who of EVERYONE)
        for (const topic of TOPICS)
          for (const host of HOSTS) assert.equal(mayWrite(sealed, who, topic, host), false)
      assert.deepEqual(writers(sealed), {})
    }),
  )
})

test('reserved, nobody but the link writes, and the link as it may without; else the obstacle is named', () => {
  fc.assert(
    fc.property(anyAcls, acls => {
      const { denials, obstacles } = reservationOf(acls, TOPICS, 'User:link')
      const reserved = [...acls, ...denials]
      for (const topic of TOPICS)
        for (const host of HOSTS) {
          assert.equal(mayWrite(reserved, 'User:link', topic, host), mayWrite(acls, 'User:link', topic, host))
          if (obstacles.length > 0) continue
          for (const who of EVERYONE)
            if (who !== 'User:link') assert.equal(mayWrite(reserved, who, topic, host), false)
        }
    }),
  )
})

test('fenced, one principal does not write, and for all others nothing changes', () => {
  fc.assert(
    fc.property(anyAcls, acls => {
      const fenced = [...acls, ...fenceOf('User:link', TOPICS)]
      for (const topic of TOPICS)
        for (const host of HOSTS) {
          assert.equal(mayWrite(fenced, 'User:link', topic, host), false)
          for (const who of ['User:a', 'User:b', 'User:new'])
            assert.equal(mayWrite(fenced, who, topic, host), mayWrite(acls, who, topic, host))
        }
    }),
  )
})

test('taking back what was put leaves the rules as they were', () => {
  fc.assert(
    fc.property(anyAcls, acls => {
      const keys = new Set(acls.map(aclKey))
      const put = sealOf(TOPICS).filter(each => !keys.has(aclKey(each)))
      assert.deepEqual(withoutRules(rulesTogether(acls, put), put), acls)
    }),
  )
})
