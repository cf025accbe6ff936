import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ErrorKind, isAjnaError } from '../../../foundation/errors/errors.ts'
import { temporaryFolder } from '../../../foundation/process/testing.ts'
import { BROKER_DATA_DIR_DAMAGED, BROKER_DATA_DIR_FOREIGN } from './errors.ts'
import { decideFormat, dirState, type FormatTask, formatDirs, randomDirectoryId } from './format.ts'

const cluster = 'AAAAAAAAAAAAAAAAAAAAAQ'
const meta = `#\nnode.id=1\ndirectory.id=WZRJK5j_aePStdkTBV9dPg\nversion=1\ncluster.id=${cluster}\n`

const states: readonly [
  what: string,
  names: readonly string[],
  meta: string | undefined,
  kind: string,
  act: string,
][] = [
  ['nothing', [], undefined, 'empty', 'format'],
  ['a checkpoint alone', ['bootstrap.checkpoint'], undefined, 'half-formatted', 'format'],
  [
    'a meta.properties being written',
    ['bootstrap.checkpoint', 'meta.properties.new'],
    undefined,
    'half-formatted',
    'format',
  ],
  ['an empty meta.properties', ['bootstrap.checkpoint', 'meta.properties'], '', 'half-formatted', 'format'],
  ["somebody's disk, freshly made", ['lost+found'], undefined, 'half-formatted', 'format'],
  ['ours', ['meta.properties', 'logs-0'], meta, 'formatted', 'keep'],
  ["another node's", ['meta.properties'], meta.replace('node.id=1', 'node.id=2'), 'formatted', 'refuse'],
  [
    "another cluster's",
    ['meta.properties'],
    meta.replace(cluster, 'BBBBBBBBBBBBBBBBBBBBBQ'),
    'formatted',
    'refuse',
  ],
  [
    'partitions without an owner',
    ['logs.edge-0', 'bootstrap.checkpoint'],
    undefined,
    'unclaimed-data',
    'refuse',
  ],
  ['a metadata log without an owner', ['__cluster_metadata-0'], undefined, 'unclaimed-data', 'refuse'],
  [
    'partitions and a cut-off meta.properties',
    ['a-17', 'meta.properties'],
    'version=1\ncl',
    'unclaimed-data',
    'refuse',
  ],
  ['a partition that was being deleted', ['a-0.0a1b2c3d4e5f-delete'], undefined, 'unclaimed-data', 'refuse'],
]

for (const [what, names, text, kind, act] of states)
  test(`a directory that holds ${what}: ${act}`, () => {
    const state = dirState(names, text)
    assert.equal(state.kind, kind)
    assert.equal(decideFormat('/data', state, cluster, 1).act, act)
  })

async function taskIn(t: TestContext, dirs: number): Promise<FormatTask> {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'template'), 'checkpoint bytes')
  return {
    dirs: Array.from({ length: dirs }, (_, index) => join(folder, `data-${index}`)),
    clusterId: cluster,
    nodeId: 1,
    bootstrapCheckpoint: join(folder, 'template'),
  }
}

test('formats each directory once, with an id of its own', async t => {
  const task = await taskIn(t, 2)
  assert.deepEqual(await formatDirs(task), task.dirs)
  const ids = await Promise.all(task.dirs.map(directoryId))
  assert.equal(new Set(ids).size, 2)
  assert.deepEqual((await readdir(task.dirs[0]!)).sort(), ['bootstrap.checkpoint', 'meta.properties'])
  assert.deepEqual(await formatDirs(task), [])
  assert.deepEqual(await Promise.all(task.dirs.map(directoryId)), ids)
})

test('recovers a directory whose formatting was cut off, and one of two that is new, deleting nothing', async t => {
  const task = await taskIn(t, 2)
  await formatDirs({ ...task, dirs: task.dirs.slice(0, 1) })
  const [kept] = await Promise.all(task.dirs.slice(0, 1).map(directoryId))
  await mkdir(task.dirs[1]!)
  await writeFile(join(task.dirs[1]!, 'meta.properties.new'), 'version=')
  await writeFile(join(task.dirs[1]!, 'notes.txt'), 'of a person')
  assert.deepEqual(await formatDirs(task), [task.dirs[1]])
  assert.equal(await readFile(join(task.dirs[1]!, 'notes.txt'), 'utf8'), 'of a person')
  assert.equal(await directoryId(task.dirs[0]!), kept)
})

const refusals: readonly [what: string, kind: ErrorKind, spoil: (dir: string) => Promise<unknown>][] = [
  ['data whose owner is unknown', BROKER_DATA_DIR_DAMAGED, dir => mkdir(join(dir, 'logs.edge-0'))],
  [
    'data of another cluster',
    BROKER_DATA_DIR_FOREIGN,
    dir => writeFile(join(dir, 'meta.properties'), meta.replace(cluster, 'other')),
  ],
]

for (const [what, kind, spoil] of refusals)
  test(`never touches ${what}`, async t => {
    const task = await taskIn(t, 1)
    const [dir] = task.dirs
    await mkdir(dir!)
    await spoil(dir!)
    const before = await readdir(dir!)
    await assert.rejects(formatDirs(task), error => isAjnaError(error, kind) && error.message.includes(dir!))
    assert.deepEqual(await readdir(dir!), before)
  })

test("directory ids are UUIDs as Kafka's tools take them", () => {
  for (let count = 0; count < 1_000; count++) {
    const id = randomDirectoryId()
    assert.match(id, /^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/)
    const bytes = Buffer.from(id, 'base64url')
    assert.equal(bytes[6]! >> 4, 4)
    assert.equal(bytes[8]! >> 6, 2)
  }
})

async function directoryId(dir: string): Promise<string | undefined> {
  return /^directory\.id=(\S+)$/m.exec(await readFile(join(dir, 'meta.properties'), 'utf8'))?.[1]
}
