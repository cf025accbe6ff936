import assert from 'node:assert/strict'
import {
  appendFile,
  copyFile,
  link,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { PARTIAL_LINE_MS, RELEASE_MS, tailBench } from '../testing/tail.ts'

/** Compresses as gzip(1) does: a new file with the old one's times, then the old one goes. */
async function compress(path: string): Promise<void> {
  const { atime, mtime } = await stat(path)
  await writeFile(`${path}.gz`, gzipSync(await readFile(path)))
  await utimes(`${path}.gz`, atime, mtime)
  await rm(path)
}

test('lines are shipped as they come, each once', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  await writeFile(log, 'one\ntwo\n')
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\ntwo\n'])
  await appendFile(log, 'three\n')
  await bench.turn()
  await bench.turn()
  const [shipped] = bench.shipped()
  assert.equal(shipped!.bytes.toString(), 'one\ntwo\nthree\n')
  assert.deepEqual([shipped!.repeated, shipped!.missing, shipped!.records], [0, 0, 3])
})

test('a renamed file is read to its end, also out of the globs, while its successor is read from its beginning', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  await writeFile(log, 'one\n')
  await bench.turn()
  await rename(log, bench.path('a.log.1'))
  await appendFile(bench.path('a.log.1'), 'late\n')
  await writeFile(log, 'new\n')
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\nlate\n', 'new\n'])
  await appendFile(bench.path('a.log.1'), 'later still\n')
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\nlate\nlater still\n', 'new\n'])
})

test('a renamed file is let go when nobody has written to it for a while', async t => {
  const bench = await tailBench(t)
  await writeFile(bench.path('a.log'), 'one\n')
  await bench.turn()
  await rename(bench.path('a.log'), bench.path('a.old'))
  await bench.turn()
  assert.deepEqual(bench.status(), [{ path: 'a.log', tenure: 'leaving' }])
  bench.pass(RELEASE_MS)
  await bench.turn()
  assert.deepEqual(bench.status(), [])
})

test('a file truncated after it was copied goes on in the copy, which is not shipped again, and starts anew', async t => {
  for (const globs of [['*.log'], ['*.log*']]) {
    const bench = await tailBench(t, globs)
    const log = bench.path('a.log')
    await writeFile(log, 'one\ntwo\n')
    await bench.turn()
    await appendFile(log, 'unread when it was copied\n')
    await copyFile(log, bench.path('a.log.1'))
    await truncate(log)
    await appendFile(log, 'anew\n')
    await bench.turn()
    await bench.turn()
    assert.deepEqual(bench.texts(), ['one\ntwo\nunread when it was copied\n', 'anew\n'])
    assert.deepEqual(bench.gaps, [])
  }
})

test('a copy that is not followed by a truncation is not shipped; one that outgrows its original was none', async t => {
  const bench = await tailBench(t, ['*.log*'])
  const log = bench.path('a.log')
  await writeFile(log, 'heading\n')
  await bench.turn()
  await copyFile(log, bench.path('a.log.1'))
  await bench.turn()
  assert.deepEqual(bench.texts(), ['heading\n'])
  await appendFile(bench.path('a.log.1'), 'it was another program’s\n')
  await bench.turn()
  assert.deepEqual(bench.texts(), ['heading\n', 'heading\nit was another program’s\n'])
})

test('a file truncated and grown beyond its old size between two looks is noticed', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  await writeFile(log, 'one\ntwo\n')
  await bench.turn()
  await truncate(log)
  await appendFile(log, 'quite another text, longer than what was there\n')
  await bench.turn()
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\ntwo\n', 'quite another text, longer than what was there\n'])
})

test('a file that begins with the same heading each time it is truncated is a new stream each time', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  const contents = ['# heading\nfirst\n', '# heading\nsecond one\n', '# heading\nthe third\n']
  for (const content of contents) {
    await truncate(log).catch(() => undefined)
    await appendFile(log, content)
    await bench.turn()
    await bench.turn()
  }
  assert.deepEqual(bench.texts(), contents)
  assert.deepEqual(
    [...bench.streams.all()].map(({ identity }) => identity.ordinal),
    [undefined, 1, 2],
  )
})

test('bytes that were seen but are gone before they could be read are told exactly', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  await writeFile(log, 'one\nunfinished')
  await bench.turn()
  await truncate(log)
  await appendFile(log, 'anew\n')
  await bench.turn()
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\n', 'anew\n'])
  assert.deepEqual(
    bench.gaps.map(({ start, end, reason }) => [start, end, reason]),
    [[4, 14, 'truncated']],
  )
})

test('a deleted file is read to its end', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  await writeFile(log, 'one\n')
  await bench.turn()
  await appendFile(log, 'the last line\nwithout an end')
  await rm(log)
  await bench.turn()
  bench.pass(PARTIAL_LINE_MS)
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\nthe last line\nwithout an end'])
  bench.pass(RELEASE_MS)
  await bench.turn()
  assert.deepEqual(bench.status(), [])
})

test('a new file with the inode of a deleted one is a stream of its own', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  const inodes: string[] = []
  const contents: string[] = []
  for (let i = 0; i < 5; i++) {
    contents.push(`file ${i}\n`)
    await writeFile(log, contents[i]!)
    inodes.push((await stat(log, { bigint: true })).ino.toString())
    await bench.turn()
    await rm(log)
    // Nothing holds the old file any more: the file system may use its inode again.
    await bench.restart()
  }
  assert.deepEqual(bench.texts(), contents)
  if (new Set(inodes).size === inodes.length) t.diagnostic('this file system did not use an inode again')
})

test('a last line without an end waits for it, then is shipped as it is; what follows is a record of its own', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  await writeFile(log, 'one\ntw')
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\n'])
  await appendFile(log, 'o')
  bench.pass(PARTIAL_LINE_MS - 1_000)
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\n'])
  bench.pass(PARTIAL_LINE_MS)
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\ntwo'])
  await appendFile(log, ' and a half\nthree\n')
  await bench.turn()
  const [shipped] = bench.shipped()
  assert.equal(shipped!.bytes.toString(), 'one\ntwo and a half\nthree\n')
  assert.deepEqual([shipped!.repeated, shipped!.missing, shipped!.records], [0, 0, 4])
})

test('a first line without an end names no stream until it is complete', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  await writeFile(log, 'the beginning')
  await bench.turn()
  bench.pass(10 * PARTIAL_LINE_MS)
  await bench.turn()
  assert.deepEqual(bench.texts(), [])
  await appendFile(log, ' and the end\n')
  await bench.turn()
  assert.deepEqual(bench.texts(), ['the beginning and the end\n'])
})

test('bytes are kept whatever they are: invalid UTF-8, NUL, CRLF, empty lines, lines of several MiB', async t => {
  const bench = await tailBench(t)
  const content = Buffer.concat([
    Buffer.from('\n\nfirst\r\n'),
    Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0d, 0x0a, 0x00, 0x0a]),
    Buffer.alloc(3 * 1024 * 1024 + 17, 'long '),
    Buffer.from('\n'),
    Buffer.alloc(256 * 1024, 'x'),
    Buffer.from('\n'),
    Buffer.alloc(1024 * 1024, 0),
    Buffer.from('\nlast\n'),
  ])
  await writeFile(bench.path('a.log'), content)
  await bench.turn()
  const [shipped] = bench.shipped()
  assert.ok(shipped!.bytes.equals(content))
  assert.deepEqual([shipped!.repeated, shipped!.missing], [0, 0])
})

test('a restart goes on where it was, in the same file', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  await writeFile(log, 'one\n')
  await bench.turn()
  await bench.restart()
  await appendFile(log, 'two\n')
  await bench.turn()
  const [shipped] = bench.shipped()
  assert.deepEqual([shipped!.bytes.toString(), shipped!.repeated], ['one\ntwo\n', 0])
})

test('what was renamed, copied, compressed or begun and rotated while no agent ran is found', async t => {
  const bench = await tailBench(t)
  for (const name of ['renamed', 'copied', 'gz']) await writeFile(bench.path(`${name}.log`), `${name} 1\n`)
  await bench.turn()
  await bench.restart()

  await appendFile(bench.path('renamed.log'), 'renamed 2\n')
  await rename(bench.path('renamed.log'), bench.path('renamed.log.1'))

  await appendFile(bench.path('copied.log'), 'copied 2\n')
  await copyFile(bench.path('copied.log'), bench.path('copied.log.1'))
  await truncate(bench.path('copied.log'))
  await appendFile(bench.path('copied.log'), 'copied anew\n')

  await appendFile(bench.path('gz.log'), 'gz 2\n')
  await rename(bench.path('gz.log'), bench.path('gz.log.2'))
  await compress(bench.path('gz.log.2'))
  await writeFile(bench.path('gz.log.1'), 'never seen\n')
  await compress(bench.path('gz.log.1'))
  await writeFile(bench.path('gz.log'), 'gz now\n')

  await bench.turn()
  await bench.turn()
  assert.deepEqual(bench.texts().sort(), [
    'copied 1\ncopied 2\n',
    'copied anew\n',
    'gz 1\ngz 2\n',
    'gz now\n',
    'never seen\n',
    'renamed 1\nrenamed 2\n',
  ])
  for (const { repeated } of bench.shipped()) assert.equal(repeated, 0)
  assert.deepEqual(bench.gaps, [])
})

test('files that came and were rotated away between two looks are met, where their writer had them', async t => {
  const bench = await tailBench(t)
  const log = bench.path('a.log')
  const writeAndRotate = async (text: string, to: string): Promise<void> => {
    await writeFile(log, text)
    await rename(log, bench.path(to))
  }
  await writeFile(log, 'one\n')
  await bench.turn()
  await rename(log, bench.path('a.log.1'))
  await bench.turn()
  await writeAndRotate('while the path was empty\n', 'a.log.2')
  await bench.turn()
  await writeAndRotate('before another came\n', 'a.log.3')
  await writeFile(log, 'now\n')
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\n', 'while the path was empty\n', 'now\n', 'before another came\n'])
  assert.deepEqual(
    [...bench.streams.all()].map(({ path }) => path),
    [log, log, log, log],
  )
})

test('a file that vanished while no agent ran, with bytes known to be unread, is told as a gap', async t => {
  const bench = await tailBench(t)
  await writeFile(bench.path('a.log'), 'one\nunfinished')
  await bench.turn()
  await bench.restart()
  await rm(bench.path('a.log'))
  await bench.turn()
  assert.deepEqual(
    bench.gaps.map(({ start, end, reason }) => [start, end, reason]),
    [[4, 14, 'gone']],
  )
})

test('compressed files that a glob names are shipped unpacked, unless they are copies of what is known', async t => {
  const bench = await tailBench(t, ['*.log*'])
  const long = `${`a line of ${'some '.repeat(100)}length\n`.repeat(9_000)}no end`
  await writeFile(bench.path('old.log.1.gz'), gzipSync(long))
  await writeFile(bench.path('old.log.2.zst'), zstdCompressSync('of another time\n'))
  await writeFile(bench.path('a.log'), 'one\ntwo\n')
  await bench.turn()
  await rename(bench.path('a.log'), bench.path('a.log.1'))
  await compress(bench.path('a.log.1'))
  await bench.turn()
  assert.deepEqual(bench.texts().sort(), [long, 'of another time\n', 'one\ntwo\n'].sort())
  for (const { repeated, missing } of bench.shipped()) assert.deepEqual([repeated, missing], [0, 0])
})

test('a compressed file that is still being written is read once it is whole', async t => {
  const bench = await tailBench(t, ['*.gz'])
  const packed = gzipSync(Buffer.from('one\ntwo\n'.repeat(10_000)))
  await writeFile(bench.path('a.gz'), packed.subarray(0, packed.length / 2))
  await bench.turn()
  await appendFile(bench.path('a.gz'), packed.subarray(packed.length / 2))
  bench.pass(5_000)
  await bench.turn()
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\ntwo\n'.repeat(10_000)])
})

test('one file under several names is one stream; directories and excluded files are none', async t => {
  const bench = await tailBench(t, ['*.log', 'sub*'], ['not*.log'])
  await writeFile(bench.path('a.log'), 'one\n')
  await link(bench.path('a.log'), bench.path('b.log'))
  await symlink(bench.path('a.log'), bench.path('c.log'))
  await symlink(bench.path('nowhere'), bench.path('d.log'))
  await writeFile(bench.path('not-this.log'), 'secret\n')
  await bench.turn()
  assert.deepEqual(bench.texts(), ['one\n'])
})
