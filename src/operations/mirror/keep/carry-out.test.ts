import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AclBinding } from '../../../foundation/kafka/security.ts'
import { type CarryOut, carryOut } from './carry-out.ts'
import type { Difference } from './difference.ts'
import { EMPTY_KEEP } from './state.ts'

const acl = (permission: AclBinding['permission'], principal: string): AclBinding => ({
  resource: 'topic',
  name: 'orders',
  pattern: 'literal',
  principal,
  host: '*',
  operation: 'read',
  permission,
})
const [denied, revoked, allowed] = [acl('deny', 'User:d'), acl('allow', 'User:r'), acl('allow', 'User:a')]
const moved = { topic: 'orders', partition: 0, before: null, target: 5, source: 5 }

const found: Difference = {
  changes: [
    { kind: 'create-acl', acl: allowed, why: 'new' },
    { kind: 'create-acl', acl: denied, why: 'new' },
    { kind: 'delete-acl', acl: revoked, why: 'revoked' },
    { kind: 'set-quota', entity: { user: 'a' }, set: { requestPercentage: 5 }, from: {}, why: 'new' },
    {
      kind: 'move-group',
      group: 'g',
      topic: 'orders',
      partition: 0,
      from: null,
      to: 5,
      source: 5,
      metadata: '',
      why: 'new',
    },
  ],
  left: [],
  held: new Map(),
  note: { acls: [allowed, denied], quotas: [], writers: null, groups: new Map([['g', [moved]]]) },
}

/** What is done, in order; `may` of it, then the lease is gone. */
function recorded(may: number): { readonly options: CarryOut; readonly done: string[] } {
  const done: string[] = []
  const all = async <Item>(what: string, items: readonly Item[]) => {
    done.push(what)
    return items.map(item => ({ item, error: null }))
  }
  const target = {
    createAcls: (acls: readonly AclBinding[]) => all(`create ${acls.map(each => each.permission)}`, acls),
    deleteAcls: (acls: readonly AclBinding[]) => all('delete', acls),
    alterQuotas: <Item>(changes: readonly Item[]) => all('quotas', changes),
    commitPositions: <Item>(commits: readonly Item[]) => all('commit', commits),
  } as unknown as CarryOut['target']
  let asked = 0
  const options: CarryOut = {
    target,
    store: {
      load: async () => undefined,
      saveRights: async () => void done.push('note rights'),
      saveGroups: async () => void done.push('note groups'),
    },
    proceed() {
      if (asked++ >= may) throw new Error('deposed')
    },
    signal: new AbortController().signal,
  }
  return { options, done }
}

const WHOLE = [
  'note rights',
  'create deny',
  'delete',
  'create allow',
  'quotas',
  'note groups',
  'commit',
] as const

test('everything is noted before it is done; denials come first, what is taken away before what is given', async () => {
  const { options, done } = recorded(99)
  const results = await carryOut(options, EMPTY_KEEP, found)
  assert.deepEqual(done, WHOLE)
  assert.equal(results.length, found.changes.length)
})

test('who may not go on does nothing more, whatever request it was at', async () => {
  for (let may = 0; may < 5; may++) {
    const { options, done } = recorded(may)
    await assert.rejects(carryOut(options, EMPTY_KEEP, found), /deposed/)
    const acts = done.filter(each => !each.startsWith('note'))
    assert.equal(acts.length, may)
    assert.deepEqual(done, WHOLE.slice(0, done.length))
  }
})
