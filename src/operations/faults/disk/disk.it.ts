import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import {
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { adopt } from '../../../foundation/process/run.ts'
import { buildDisk, whyUnavailable } from './build.ts'
import {
  diskAt,
  type FaultyDisk,
  faultsOn,
  loseDisk,
  mendDisk,
  mountDisk,
  setFaults,
  unmountDisk,
} from './disk.ts'
import { diskFaultKinds, faultsOf } from './kibosh.ts'

/** Maps the file it is given, shared, and writes through the mapping. Ends with 3 when that cannot be synced. */
const MAPS = `
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int count, char *arguments[]) {
    int file = open(arguments[count - 1], O_RDWR | O_CREAT, 0600);
    if (lseek(file, 0, SEEK_END) == 0 && ftruncate(file, 1 << 20) != 0) return 1;
    char *at = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) return 2;
    memcpy(at, "mapped", 6);
    return msync(at, 1 << 20, MS_SYNC) == 0 ? 0 : 3;
}
`
const run = promisify(execFile)
const unavailable = await whyUnavailable()
const FULL_OF_SEVENS = Buffer.alloc(64 * 1024, 7)

describe('a disk that fails on request', { skip: unavailable ?? false }, () => {
  let folder: string
  let disk: FaultyDisk
  const at = (name: string): string => join(disk.mountPoint, name)
  const below = (name: string): string => join(disk.directory, name)

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ajna-disk-'))
    disk = diskAt({
      program: await buildDisk(join(folder, 'cache')),
      name: 'disk',
      mountPoint: join(folder, 'mounted'),
      directory: join(folder, 'below'),
      runDir: join(folder, 'run'),
      consoleFile: join(folder, 'console.log'),
    })
    await mountDisk(disk)
  })
  after(async () => {
    await loseDisk(disk)
    await unmountDisk(disk.mountPoint)
    await rm(folder, { recursive: true })
  })
  beforeEach(() => mendDisk(disk))

  async function rejectsWith(code: string, work: Promise<unknown>): Promise<void> {
    await assert.rejects(work, { code })
  }
  const synced = async (name: string, bytes: Buffer): Promise<void> => {
    await using file = await open(at(name), 'w')
    await file.write(bytes)
    await file.sync()
  }
  const differing = (a: Buffer, b: Buffer): number => a.filter((byte, index) => byte !== b[index]).length

  test('without faults it is the directory below: names, content, modes, appends, syncs, deleted files', async () => {
    await mkdir(at('topic-0'))
    await writeFile(at('topic-0/a.log'), 'one', { mode: 0o640 })
    await writeFile(at('topic-0/a.log'), ' two', { flag: 'a' })
    assert.equal(await readFile(below('topic-0/a.log'), 'utf8'), 'one two')
    assert.equal((await stat(at('topic-0/a.log'))).mode & 0o777, 0o640)
    await rename(at('topic-0/a.log'), at('topic-0/b.log'))
    assert.deepEqual(await readdir(at('topic-0')), ['b.log'])
    await using folder = await open(at('topic-0'), 'r')
    await folder.sync()
    await using file = await open(at('topic-0/b.log'), 'r+')
    await unlink(at('topic-0/b.log'))
    await file.write('ONE', 0)
    await file.sync()
    const { buffer } = await file.read(Buffer.alloc(7), 0, 7, 0)
    assert.equal(buffer.toString(), 'ONE two')
    assert.deepEqual(await readdir(below('topic-0')), [])
    assert.deepEqual(await readdir(disk.mountPoint), ['topic-0'], 'the control file is in no listing')
    await rejectsWith('EINVAL', open(at('direct'), constants.O_CREAT | constants.O_RDWR | constants.O_DIRECT))
  })

  test('files can be mapped, as Kafka maps its indexes: what is put there is below once synced', async () => {
    const program = join(folder, 'map')
    await writeFile(`${program}.c`, MAPS)
    await run('gcc', ['-o', program, `${program}.c`])
    await run(program, [at('0.index')])
    const mapped = await readFile(below('0.index'))
    assert.deepEqual([mapped.length, mapped.subarray(0, 6).toString()], [1 << 20, 'mapped'])
    await setFaults(disk, [{ type: 'unwritable', code: 5 }])
    await assert.rejects(run(program, [at('0.index')]), { code: 3 })
  })

  test('unreadable: what is on it cannot be read, also by who has it open; writing goes on', async () => {
    await synced('a', FULL_OF_SEVENS)
    await using file = await open(at('a'), 'r+')
    await file.read(Buffer.alloc(10), 0, 10, 0)
    await setFaults(disk, [{ type: 'unreadable', code: 5 }])
    await rejectsWith('EIO', file.read(Buffer.alloc(10), 0, 10, 0))
    await rejectsWith('EIO', readdir(disk.mountPoint))
    await file.write('x', 0)
    await setFaults(disk, [])
    assert.equal((await file.read(Buffer.alloc(1), 0, 1, 0)).buffer.toString(), 'x')
  })

  test('unwritable: nothing is written, made, renamed or synced, and what is there is read', async () => {
    await synced('a', FULL_OF_SEVENS)
    await using file = await open(at('a'), 'r+')
    await setFaults(disk, [{ type: 'unwritable', code: 5 }])
    await rejectsWith('EIO', file.write('x', 0))
    await rejectsWith('EIO', file.sync())
    await rejectsWith('EIO', open(at('b'), 'w'))
    await rejectsWith('EIO', rename(at('a'), at('b')))
    await rejectsWith('EIO', unlink(at('a')))
    assert.deepEqual(await readFile(at('a')), FULL_OF_SEVENS)
    assert.deepEqual(await readFile(below('a')), FULL_OF_SEVENS)
  })

  test('full: no byte more, no file more, no space free; what is there is synced and can be deleted', async () => {
    await synced('a', FULL_OF_SEVENS)
    await using file = await open(at('a'), 'r+')
    await setFaults(disk, faultsOf('disk-full', { delayMs: 0 })!)
    await rejectsWith('ENOSPC', file.write('x', 0))
    await rejectsWith('ENOSPC', open(at('b'), 'w'))
    assert.equal((await statfs(disk.mountPoint)).bavail, 0)
    await file.sync()
    await unlink(at('a'))
    await setFaults(disk, [])
    assert.ok((await statfs(disk.mountPoint)).bavail > 0)
  })

  test('delays: reads, or writes and syncs, take so long; all that waits goes on once they are taken back', async () => {
    await synced('a', FULL_OF_SEVENS)
    const took = async (work: () => Promise<unknown>): Promise<number> => {
      const began = performance.now()
      await work()
      return performance.now() - began
    }
    await using file = await open(at('a'), 'r+')
    await setFaults(disk, [{ type: 'write_delay', delay_ms: 200 }])
    assert.ok((await took(() => file.write('x', 0))) >= 200)
    assert.ok((await took(() => file.sync())) >= 200)
    await setFaults(disk, [{ type: 'read_delay', delay_ms: 200 }])
    assert.ok((await took(() => file.read(Buffer.alloc(1), 0, 1, 0))) >= 200)
    await setFaults(disk, [{ type: 'write_delay', delay_ms: 600_000, fraction: 1 }])
    let done = false
    const writing = file.write('y', 0).then(() => (done = true))
    await delay(100)
    assert.equal(done, false)
    await setFaults(disk, [])
    await writing
    await setFaults(disk, [{ type: 'write_delay', delay_ms: 600_000, fraction: 0 }])
    await file.write('z', 0)
  })

  test('a disk that is being written to is slow from one moment to the next, and well again', async () => {
    // Fewer than there are threads for files: writes that wait may not keep the control file from being written.
    const files = await Promise.all(['busy-0', 'busy-1'].map(name => open(at(name), 'w')))
    let [isOver, written] = [false, 0]
    const writing = files.map(async file => {
      await using _ = file
      while (!isOver) {
        await file.write('x'.repeat(5_000), 0)
        await file.sync()
        written++
      }
    })
    while (written < 20) await delay(1)
    // Any one of these writes would take ten minutes.
    await setFaults(disk, [{ type: 'write_delay', delay_ms: 600_000, fraction: 1 }])
    const slow = written
    isOver = true
    await setFaults(disk, [])
    await Promise.all(writing)
    assert.ok(written <= slow + 2 * files.length)
  })

  test('read_corrupt: other bytes are read, the same ones lie below; so many times, then less and less', async () => {
    await synced('a.log', FULL_OF_SEVENS)
    await synced('a.index', FULL_OF_SEVENS)
    const spoilt = async (mode: 'zero' | 'rand' | 'zero_seq' | 'drop', fraction: number): Promise<Buffer> => {
      await setFaults(disk, [{ type: 'read_corrupt', suffix: '.log', mode, fraction }])
      return readFile(at('a.log'))
    }
    const { length } = FULL_OF_SEVENS
    for (const mode of ['zero', 'rand'] as const) {
      const share = differing(await spoilt(mode, 0.5), FULL_OF_SEVENS) / length
      assert.ok(share > 0.4 && share < 0.6, `${mode}: ${share}`)
    }
    const tail = await spoilt('zero_seq', 0.25)
    assert.ok(tail.subarray(0, 1000).every(byte => byte === 7) && tail.at(-1) === 0)
    assert.ok((await spoilt('drop', 0.5)).length < length)
    assert.deepEqual(await readFile(at('a.index')), FULL_OF_SEVENS, 'the suffix decides')
    assert.deepEqual(await readFile(below('a.log')), FULL_OF_SEVENS)
    await setFaults(disk, [])
    assert.deepEqual(await readFile(at('a.log')), FULL_OF_SEVENS, 'nothing of it stays in the cache')
    await setFaults(disk, [{ type: 'read_corrupt', prefix: '/a.', mode: 1001, fraction: 0, count: 0 }])
    assert.equal((await readFile(at('a.log'))).length, 0)
  })

  test('write_corrupt: other bytes, or none, lie below than were written and synced without a word', async () => {
    await setFaults(disk, [{ type: 'write_corrupt', mode: 'zero', fraction: 1 }])
    await synced('zeros', FULL_OF_SEVENS)
    assert.deepEqual(await readFile(below('zeros')), Buffer.alloc(FULL_OF_SEVENS.length))
    await setFaults(disk, faultsOf('disk-lost-writes', { delayMs: 0 })!)
    await synced('lost.log', FULL_OF_SEVENS)
    assert.equal((await stat(below('lost.log'))).size, 0)
  })

  test('gone: everything fails until it is mended, and what was on it is there then', async () => {
    await synced('a', FULL_OF_SEVENS)
    await using file: FileHandle = await open(at('a'), 'r+')
    await loseDisk(disk)
    await rejectsWith('ENOTCONN', readdir(disk.mountPoint))
    await rejectsWith('ENOTCONN', file.write('x', 0))
    assert.equal(await faultsOn(disk), undefined)
    await assert.rejects(setFaults(disk, []), { code: 'DISK_NOT_MOUNTED' })
    await mendDisk(disk)
    assert.deepEqual(await readFile(at('a')), FULL_OF_SEVENS)
    await file.close().catch(() => undefined)
  })

  test('what is no list of faults changes none', async () => {
    const faults = [{ type: 'unreadable', suffix: '.never', code: 5 }] as const
    await setFaults(disk, faults)
    for (const text of [
      '',
      '{',
      '[]',
      '{"faults":[{"type":"melt"}]}',
      '{"faults":[{"type":"unreadable","code":"5"}]}',
      '{"faults":[{"type":"read_delay"}]}',
      '{"faults":[{"type":"write_corrupt","mode":7}]}',
      `{"faults":[${Array.from({ length: 100 }, () => '{"type":"unreadable"}').join()}]}`,
    ])
      if (text !== '') await rejectsWith('EINVAL', writeFile(at('kibosh_control'), text))
    assert.deepEqual(await faultsOn(disk), faults)
    await rejectsWith('EPERM', unlink(at('kibosh_control')))
  })

  test("Kibosh's own examples are taken as they are", async () => {
    for (const text of [
      '{"faults":[{"type":"unreadable", "prefix":"", "suffix":"", "code":5}]}\n',
      '{"faults":[{"type":"unwritable", "prefix":"", "suffix":"", "code":5}]}\n',
      '{"faults":[{"type":"read_delay", "prefix":"", "suffix":"", "delay_ms":1000, "fraction":1.0}]}\n',
      '{"faults":[{"type":"write_delay", "prefix":"", "suffix":"", "delay_ms":1000, "fraction":1.0}]}\n',
      '{"faults":[{"type":"read_corrupt", "prefix":"", "suffix":"", "mode":1000, "fraction":0.5, "count":-1}]}\n',
      '{"faults":[{"type":"write_corrupt", "prefix":"", "suffix":"", "mode":1000, "fraction":0.5, "count":-1}]}\n',
      '{"faults":[]}\n',
    ]) {
      await writeFile(at('kibosh_control'), text)
      assert.equal(await readFile(at('kibosh_control'), 'utf8'), text)
    }
  })

  test('a daemon that is asked to end leaves nothing mounted', async () => {
    await (await adopt(disk.daemon.runDir, disk.daemon.name))!.stop()
    assert.deepEqual(await readdir(disk.mountPoint), [])
    await mountDisk(disk)
  })
})

test('every kind of disk fault is one that the file system knows', () => {
  for (const kind of diskFaultKinds)
    assert.equal(faultsOf(kind, { delayMs: 1 }) === null, kind === 'disk-gone', kind)
})
