import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultOf, mayRetry, refusalOf, refused, unreachable } from './errors.ts'

test('only what the error’s class says may help is tried again', () => {
  const of = (code: number) => refused('x', faultOf(code, null)!)
  assert.ok(mayRetry(of(6)) && mayRetry(of(41)) && mayRetry(of(7)) && mayRetry(unreachable('b', 'gone')))
  assert.ok(!mayRetry(of(36)) && !mayRetry(of(29)) && !mayRetry(of(40)) && !mayRetry(new Error('bug')))
  assert.equal(faultOf(0, 'fine'), undefined)
  assert.equal(refusalOf(of(36)), 'TOPIC_ALREADY_EXISTS')
})

test('a refusal says what was asked, Kafka’s name for it and the broker’s words without its Java', () => {
  assert.equal(
    refused('create topic a', faultOf(40, 'no such codec')!).message,
    'create topic a: INVALID_CONFIG (no such codec)',
  )
  const java =
    'Request Request(processor=1, connectionId=127.0.0.1:1-2, buffer=null, envelope=None) needs DESCRIBE permission.'
  assert.equal(
    refused('list ACLs', faultOf(31, java)!).message,
    'list ACLs: CLUSTER_AUTHORIZATION_FAILED (needs DESCRIBE)',
  )
})
