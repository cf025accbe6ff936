import assert from 'node:assert/strict'
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { IntervalSet } from '../../../foundation/positions/intervals.ts'
import type { AuditRecord } from '../contract.ts'
import { createWatch, type SavedWatch, type Watch } from './watch.ts'

interface Host {
  readonly file: (name: string) => string
  /** Scans and adds up what is said. */
  scan(): Promise<void>
  pass(ms: number): void
  /** As after kill -9: a new watch with what had been saved. */
  restart(saved?: SavedWatch): Promise<void>
  watch(): Watch
  /** Bytes accounted to each stream, by the path it was first seen at. */
  seen(): Record<string, IntervalSet[]>
  unseen(): Extract<AuditRecord, { type: 'unseen' }>[]
}

function host(t: TestContext, globs: readonly string[] = ['*.log']): Host {
  const directory = mkdtempSync(join(tmpdir(), 'ajna-watch-'))
  t.after(() => rmSync(directory, { recursive: true }))
  let clock = Date.UTC(2026, 0, 1)
  const records: AuditRecord[] = []
  const create = (saved?: SavedWatch): Watch =>
    createWatch({
      site: 'edge',
      host: 'h1',
      sources: [{ tenant: 't', files: globs.map(glob => join(directory, glob)), exclude: [] }],
      now: () => clock,
      ...(saved === undefined ? {} : { saved }),
    })
  let watch = create()
  t.after(() => watch[Symbol.asyncDispose]())
  return {
    file: name => join(directory, name),
    scan: async () => void records.push(...(await watch.scan())),
    pass: ms => (clock += ms),
    async restart(saved = JSON.parse(JSON.stringify(watch.save())) as SavedWatch) {
      await watch[Symbol.asyncDispose]()
      watch = create(saved)
    },
    watch: () => watch,
    seen() {
      const byPath: Record<string, IntervalSet[]> = {}
      for (const record of records) {
        if (record.type !== 'stream') continue
        const set = IntervalSet.of()
        for (const other of records)
          if (other.type === 'ranges' && other.stream === record.stream)
            for (const { start, end } of other.ranges)
              assert.equal(set.add(start, end), end - start, 'said twice')
        const name = record.path.slice(directory.length + 1)
        byPath[name] = [...(byPath[name] ?? []), set]
      }
      return byPath
    },
    unseen: () => records.filter(record => record.type === 'unseen'),
  }
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `2026-01-01T00:00:00Z line ${from + i}\n`).join('')
const whole = (length: number): IntervalSet => IntervalSet.of([0, length])

function assertSeen(host: Host, expected: Record<string, readonly number[]>): void {
  const found = Object.entries(host.seen()).map(([path, sets]) => [path, sets.map(set => set.toJSON())])
  const wanted = Object.entries(expected).map(([path, lengths]) => [
    path,
    lengths.map(length => whole(length).toJSON()),
  ])
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(wanted))
}

test('what is appended is accounted for once, whole lines only', async t => {
  const h = host(t)
  writeFileSync(h.file('a.log'), `${lines(0, 100)}half a li`)
  await h.scan()
  assert.equal(h.watch().pendingBytes, 9)
  appendFileSync(h.file('a.log'), `ne\n${lines(100, 200)}`)
  await h.scan()
  await h.scan()
  assertSeen(h, { 'a.log': [readFileSync(h.file('a.log')).length] })
})

test('a file renamed out of the globs is read to its end, its unterminated last line included', async t => {
  const h = host(t)
  writeFileSync(h.file('a.log'), lines(0, 50))
  await h.scan()
  renameSync(h.file('a.log'), h.file('a.log.1'))
  writeFileSync(h.file('a.log'), lines(1_000, 1_010))
  appendFileSync(h.file('a.log.1'), `${lines(50, 60)}no end`)
  await h.scan()
  h.pass(31_000)
  await h.scan()
  h.pass(31_000)
  await h.scan()
  const old = readFileSync(h.file('a.log.1')).length
  const fresh = readFileSync(h.file('a.log')).length
  assertSeen(h, { 'a.log': [old, fresh] })
  assert.equal(h.watch().files, 1)
})

test('files that came and were rotated away between two looks are met, where their writer had them', async t => {
  const h = host(t)
  const look = (): Promise<void> => {
    h.pass(1_000)
    return h.scan()
  }
  const writeAndRotate = (text: string, to: string): void => {
    writeFileSync(h.file('a.log'), text)
    renameSync(h.file('a.log'), h.file(to))
  }
  writeAndRotate(lines(0, 5), 'a.log.0')
  const before = new Date(Date.UTC(2025, 0, 1))
  utimesSync(h.file('a.log.0'), before, before)
  writeFileSync(h.file('a.log'), lines(10, 20))
  await look()
  renameSync(h.file('a.log'), h.file('a.log.1'))
  await look()
  writeAndRotate(lines(20, 22), 'a.log.2')
  await look()
  writeAndRotate(lines(22, 25), 'a.log.3')
  writeFileSync(h.file('a.log'), lines(25, 29))
  await look()
  await h.restart()
  renameSync(h.file('a.log'), h.file('a.log.4'))
  writeAndRotate(lines(29, 34), 'a.log.5')
  await look()
  await look()
  assertSeen(h, { 'a.log': [10, 2, 4, 3, 5].map(count => lines(10, 10 + count).length) })
})

test('a deleted file is read to its end', async t => {
  const h = host(t)
  writeFileSync(h.file('a.log'), lines(0, 50))
  await h.scan()
  appendFileSync(h.file('a.log'), lines(50, 99))
  rmSync(h.file('a.log'))
  await h.scan()
  assertSeen(h, { 'a.log': [lines(0, 99).length] })
})

test('copytruncate: the copy is the same stream, what it has beyond is accounted for, the file begins anew', async t => {
  const h = host(t, ['*.log', '*.log.1'])
  writeFileSync(h.file('a.log'), lines(0, 50))
  await h.scan()
  appendFileSync(h.file('a.log'), lines(50, 80))
  copyFileSync(h.file('a.log'), h.file('a.log.1'))
  truncateSync(h.file('a.log'), 0)
  await h.scan()
  appendFileSync(h.file('a.log'), lines(500, 510))
  await h.scan()
  assertSeen(h, { 'a.log': [lines(0, 80).length, lines(500, 510).length] })
  assert.deepEqual(h.unseen(), [])
})

test('truncated and grown beyond its old size between two looks: told by its first line', async t => {
  const h = host(t)
  writeFileSync(h.file('a.log'), lines(0, 5))
  await h.scan()
  truncateSync(h.file('a.log'), 0)
  appendFileSync(h.file('a.log'), lines(700, 750))
  await h.scan()
  assertSeen(h, { 'a.log': [lines(0, 5).length, lines(700, 750).length] })
})

test('bytes cut off before anybody read them are said to be unseen', async t => {
  const h = host(t)
  writeFileSync(h.file('a.log'), `${lines(0, 50)}this line is not whole`)
  await h.scan()
  truncateSync(h.file('a.log'), 0)
  await h.scan()
  assert.deepEqual(h.unseen(), [])
  h.pass(11_000)
  await h.scan()
  assert.deepEqual(
    h.unseen().map(({ from, certain }) => ({ from, certain })),
    [{ from: lines(0, 50).length + 'this line is not whole'.length, certain: true }],
  )
})

test('rotated and compressed while the auditor was away: the rest is found in the compressed file', async t => {
  const h = host(t)
  writeFileSync(h.file('a.log'), lines(0, 50))
  await h.scan()
  const saved = JSON.parse(JSON.stringify(h.watch().save())) as SavedWatch
  writeFileSync(h.file('a.log.1.gz'), gzipSync(lines(0, 90)))
  rmSync(h.file('a.log'))
  writeFileSync(h.file('a.log'), lines(2_000, 2_003))
  await h.restart(saved)
  await h.scan()
  assertSeen(h, { 'a.log': [lines(0, 90).length, lines(2_000, 2_003).length] })
  assert.deepEqual(h.unseen(), [])
})

test('compressed files are read unpacked once they are whole, unless they are copies of what is known', async t => {
  const h = host(t, ['*.log*'])
  writeFileSync(h.file('a.log'), lines(0, 9))
  await h.scan()
  writeFileSync(h.file('a.log.1.gz'), gzipSync(readFileSync(h.file('a.log'))))
  const other = gzipSync(lines(50, 60))
  writeFileSync(h.file('a.log.2.gz'), other.subarray(0, 20))
  writeFileSync(h.file('b.log.zst'), zstdCompressSync(`${lines(60, 63)}no end`))
  await h.scan()
  appendFileSync(h.file('a.log.2.gz'), other.subarray(20))
  await h.scan()
  rmSync(h.file('a.log'))
  await h.scan()
  h.pass(31_000)
  await h.scan()
  await h.scan()
  await h.restart()
  await h.scan()
  assertSeen(h, {
    'a.log': [lines(0, 9).length],
    'b.log.zst': [lines(60, 63).length + 'no end'.length],
    'a.log.2.gz': [lines(50, 60).length],
  })
})

test('after a restart it goes on where it had saved, and what it says again is the same', async t => {
  const h = host(t)
  writeFileSync(h.file('a.log'), lines(0, 50))
  await h.scan()
  await h.restart()
  appendFileSync(h.file('a.log'), lines(50, 70))
  await h.scan()
  assertSeen(h, { 'a.log': [lines(0, 70).length] })
})
