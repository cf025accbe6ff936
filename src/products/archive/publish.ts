/** A sealed stretch of a partition becomes objects and one commit. */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ObjectStore } from '../../foundation/objects/store.ts'
import { dataKey } from './layout.ts'
import type { DataObject, Manifest, StreamPart } from './manifest.ts'
import type { StreamRegistry } from './streams.ts'
import type { CellPart, Tail, TailTable } from './tail.ts'

export interface Publisher {
  readonly store: ObjectStore
  readonly tail: Tail
  readonly streams: StreamRegistry
  readonly stagingFolder: string
  readonly now: () => number
}

/**
 * Puts the objects of a table and answers the commit that names them. Until that commit is put they do not exist for
 * anybody, so this may fail and be repeated at any point.
 */
export async function prepareCommit(publisher: Publisher, table: TailTable): Promise<Manifest> {
  const objects: DataObject[] = []
  const cells = table.rows === 0 ? [] : await publisher.tail.cells(table)
  for (const cell of cells) objects.push(await putCell(publisher, table, cell))
  const undescribed = [...table.accounts].filter(([number]) => !publisher.streams.isDescribed(number))
  return {
    version: 1,
    id: randomUUID(),
    ...table.id,
    from: table.from,
    to: table.to,
    committedAt: publisher.now(),
    records: table.rows,
    objects,
    streams: [...table.accounts].map(
      ([number, { records, held, repeated }]): StreamPart => ({
        stream: publisher.streams.streams[number]!.id,
        records,
        held: held.toJSON().map(([start, end]) => [start, end]),
        repeated: repeated.toJSON().map(([start, end]) => [start, end]),
      }),
    ),
    withoutPosition: table.withoutPosition,
    unknownStream: undescribed.reduce((sum, [, { records }]) => sum + records, 0),
    missing: table.missing,
  }
}

async function putCell(publisher: Publisher, table: TailTable, part: CellPart): Promise<DataObject> {
  const file = join(publisher.stagingFolder, `${randomUUID()}.parquet`)
  try {
    await publisher.tail.writeParquet(table, part.where, file)
    const sha256 = await digestOf(file)
    const key = dataKey(part.cell, table.id, table.from, table.to, sha256)
    await publisher.store.put(key, { file })
    const { size } = await stat(file)
    const { tenant, kind } = part.cell
    return {
      key,
      tenant,
      kind,
      rows: part.rows,
      bytes: size,
      sha256,
      minTime: part.minTime,
      maxTime: part.maxTime,
    }
  } finally {
    await rm(file, { force: true })
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
