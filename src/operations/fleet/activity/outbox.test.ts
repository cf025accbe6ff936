import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { isAjnaError } from '../../../foundation/errors/errors.ts'
import { temporaryFolder } from '../../../foundation/process/testing.ts'
import { ACTIVITY_NOT_RECORDED } from '../errors.ts'
import { openOutbox } from './outbox.ts'
import { entry } from './testing.ts'

async function open(t: TestContext, maxEntries?: number) {
  const directory = join(await temporaryFolder(t), 'outbox')
  const outbox = () =>
    openOutbox({
      directory,
      host: 'edge-01',
      now: () => 5_000,
      ...(maxEntries !== undefined && { maxEntries }),
    })
  return {
    directory,
    outbox,
    files: async () => (await readdir(directory)).filter(name => /json$/.test(name)),
  }
}

test('what was put is there for every process, oldest first, and its later telling in its place', async t => {
  const { outbox, files } = await open(t)
  const [one, other] = [outbox(), outbox()]
  const begun = await one.put(entry({ id: 'b', at: 2_000 }))
  await other.put(entry({ id: 'a', at: 3_000 }))
  await other.put({ ...begun, revision: 1, outcome: 'done', endedAt: 2_500 })
  const seen = (await one.look()).map(({ entry: { id, revision }, told }) => [id, revision, told])
  assert.deepEqual(seen, [
    ['b', 1, false],
    ['a', 0, false],
  ])
  assert.equal((await files()).length, 2)
})

test('the first word about one and the same telling counts', async t => {
  const { outbox } = await open(t)
  await outbox().put(entry({ summary: 'it was killed' }))
  await outbox().put(entry({ summary: 'it ended unseen' }))
  assert.deepEqual(
    (await outbox().look()).map(waiting => waiting.entry.summary),
    ['it was killed'],
  )
})

test('what is in the journal stays for who goes on telling it, until it does or it is removed', async t => {
  const { outbox, files } = await open(t)
  const box = outbox()
  await box.put(entry())
  await box.markTold((await box.look())[0]!)
  const [marked] = await outbox().look()
  assert.deepEqual([marked?.told, marked?.entry], [true, entry()])
  await box.put(entry({ revision: 1 }))
  assert.deepEqual(
    (await box.look()).map(({ told, entry: { revision } }) => [told, revision]),
    [[false, 1]],
  )
  await box.remove((await box.look())[0]!)
  assert.deepEqual(await files(), [])
  // Both may have been done before by somebody else.
  await box.remove(marked!)
  await box.markTold(marked!)
})

test('what is too long is cut, what cannot be written is an error that says so', async t => {
  const { outbox, directory } = await open(t)
  const { summary } = await outbox().put(entry({ summary: 'x'.repeat(900) }))
  assert.equal(summary.length, 500)
  const nowhere = openOutbox({ directory: join(directory, 'no', '\0'), host: 'edge-01' })
  await assert.rejects(nowhere.put(entry()), error => isAjnaError(error, ACTIVITY_NOT_RECORDED))
})

test('it stays within its bound, and says what it dropped, in one entry however long that goes on', async t => {
  const { outbox, files } = await open(t, 20)
  const box = outbox()
  for (let index = 0; index < 200; index++) {
    await box.put(
      entry({ id: `e${index}`, at: index, action: index % 2 === 0 ? 'process.restart' : 'shipping.gap' }),
    )
    assert.ok((await files()).length <= 21)
  }
  const waiting = (await box.look()).map(each => each.entry)
  const kept = waiting.filter(({ action }) => action !== 'activity.dropped')
  const [dropped, ...more] = waiting.filter(({ action }) => action === 'activity.dropped')
  assert.ok(dropped !== undefined && more.length === 0)
  const counted = dropped.evidence.filter(({ label }) => label.startsWith('entries: '))
  assert.deepEqual(counted.map(({ label }) => label).sort(), [
    'entries: process.restart',
    'entries: shipping.gap',
  ])
  assert.equal(counted.reduce((sum, { value }) => sum + Number(value), 0) + kept.length, 200)
  assert.equal(kept.at(-1)?.id, 'e199')
  assert.equal(kept[0]?.id, `e${200 - kept.length}`)
  assert.deepEqual(dropped.evidence[0], { label: 'first began', value: '1970-01-01T00:00:00.000Z' })
  assert.match(dropped.summary, /^edge-01 dropped \d+ entries that the journal had not taken/)
})

test('what the journal has is dropped without a word', async t => {
  const { outbox } = await open(t, 20)
  const box = outbox()
  for (let index = 0; index < 20; index++) await box.put(entry({ id: `e${index}`, at: index }))
  for (const each of await box.look()) await box.markTold(each)
  await box.put(entry({ id: 'late', at: 100 }))
  const left = (await box.look()).map(each => each.entry)
  assert.ok(left.length < 20)
  assert.equal(
    left.some(({ action }) => action === 'activity.dropped'),
    false,
  )
})

test('a file that holds no entry is named, stays, and is in nobody’s way', async t => {
  const { outbox, directory } = await open(t)
  await outbox().put(entry())
  const foreign = '0000000000000001.zz.0.json'
  await writeFile(join(directory, foreign), '{"id": "zz"')
  const box = outbox()
  assert.equal((await box.look()).length, 1)
  assert.deepEqual(box.unreadable(), [foreign])
})

test('what a process left that was killed while it wrote is taken away in time', async t => {
  const { outbox, directory } = await open(t)
  await mkdir(directory)
  const long = new Date(5_000 - 3_700_000)
  await writeFile(join(directory, 'a.new'), '{')
  await utimes(join(directory, 'a.new'), long, long)
  await writeFile(join(directory, 'b.new'), '{')
  await outbox().sweep()
  assert.deepEqual(await readdir(directory), ['b.new'])
})

test('writers killed at any moment leave whole entries, and every one they had answered for', async t => {
  const { outbox, directory } = await open(t)
  const script = `const { openOutbox } = await import(${JSON.stringify(import.meta.resolve('./outbox.ts'))})
    const { entry } = await import(${JSON.stringify(import.meta.resolve('./testing.ts'))})
    const box = openOutbox({ directory: ${JSON.stringify(directory)}, host: 'h' })
    for (let revision = 0; ; revision++) {
      await Promise.all(['x', 'y'].map(async half => {
        const id = process.argv[1] + '-' + half
        await box.put(entry({ id, revision }))
        process.stdout.write(id + ' ' + revision + '\\n')
      }))
    }`
  const answered = new Map<string, number>()
  for (let round = 0; round < 6; round++) {
    const writer = spawn(process.execPath, ['--input-type=module', '-e', script, `w${round}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let lines = 0
    for await (const line of createInterface(writer.stdout)) {
      const [id, revision] = line.split(' ')
      answered.set(id!, Number(revision))
      if (++lines === 5 + round * 7) writer.kill('SIGKILL')
    }
    if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit')
  }
  const box = outbox()
  const last = new Map<string, number>()
  for (const {
    entry: { id, revision },
  } of await box.look())
    last.set(id, Math.max(revision, last.get(id) ?? 0))
  assert.deepEqual(box.unreadable(), [])
  assert.equal(answered.size, 12)
  for (const [id, revision] of answered)
    assert.ok(last.get(id)! >= revision, `${id}: ${last.get(id)}, ${revision}`)
})
