import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressFor } from './hosts.ts'

test('a name has the address said of it, else that of the longest pattern it lies below, else itself', () => {
  const hosts = {
    '*.site.example': '10.0.0.1',
    '*.b.site.example': '10.0.0.2',
    'b1.site.example': '10.0.0.3',
  }
  for (const [host, address] of [
    ['b1.site.example', '10.0.0.3'],
    ['B1.Site.Example', '10.0.0.3'],
    ['b2.site.example', '10.0.0.1'],
    ['x.b.site.example', '10.0.0.2'],
    ['site.example', 'site.example'],
    ['other.example', 'other.example'],
    ['127.0.0.1', '127.0.0.1'],
    ['constructor', 'constructor'],
  ] as const)
    assert.equal(addressFor(hosts, host), address)
  assert.equal(addressFor(undefined, 'b1.site.example'), 'b1.site.example')
})
