import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { listAll, type ObjectStore } from '../../src/foundation/objects/store.ts'

/** Bytes that prove themselves: the last 32 are the digest of the others. */
export function sealed(size: number, fill: number): Buffer {
  const body = Buffer.alloc(size, fill)
  return Buffer.concat([body, createHash('sha256').update(body).digest()])
}

const isWhole = (bytes: Buffer): boolean =>
  createHash('sha256').update(bytes.subarray(0, -32)).digest().equals(bytes.subarray(-32))

/**
 * Starts `script` (a program that puts sealed objects and prints a line per finished put) again and again, kills it with
 * SIGKILL at a random moment, and checks that no object is half there and that none that was said to be put is missing.
 */
export async function killWriters(
  script: string,
  args: readonly string[],
  store: ObjectStore,
  rounds: number,
): Promise<void> {
  const promised = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    const child = spawn(process.execPath, [script, ...args, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const left = 1 + Math.floor(Math.random() * 6)
    await killAfterPuts(child, left, key => promised.add(key))
  }
  assert.ok(promised.size >= rounds)
  const seen = new Set<string>()
  for await (const { key } of listAll(store, 'killed/')) {
    assert.ok(isWhole(await store.get(key)), `${key} is not whole`)
    seen.add(key)
  }
  for (const key of promised) assert.ok(seen.has(key), `${key} was said to be put and is missing`)
}

async function killAfterPuts(child: ChildProcess, puts: number, done: (key: string) => void): Promise<void> {
  const closed = once(child, 'close')
  let left = puts
  for await (const key of createInterface({ input: child.stdout! })) {
    done(key)
    if (--left === 0) setTimeout(() => child.kill('SIGKILL'), Math.random() * 20)
  }
  await closed
  assert.equal(child.signalCode, 'SIGKILL', 'the writer ended by itself')
}
