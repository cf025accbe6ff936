import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { AjnaError } from '../../../foundation/errors/errors.ts'
import type { Logger } from '../../../foundation/log/log.ts'
import type { Interval } from '../../../foundation/positions/intervals.ts'
import { AGENT_STATE_FOREIGN } from '../errors.ts'
import type { Stream, Streams } from '../tail/stream.ts'
import type { Ledger } from './ledger.ts'
import type { Marks } from './session.ts'

const count = z.number().int().nonnegative()

const savedStream = z.object({
  id: z.string(),
  identity: z.object({
    kind: z.literal('log'),
    site: z.string(),
    host: z.string(),
    device: z.string(),
    inode: z.string(),
    birthtime: z.number(),
    firstLineHash: z.number(),
    ordinal: z.number().optional(),
  }),
  origin: z.string(),
  tenant: z.string(),
  topic: z.string(),
  path: z.string(),
  firstSeen: z.number(),
  seen: count,
  anchor: z.object({ at: count, bytes: z.base64() }),
  ended: z.number().nullable(),
  copies: z.array(z.string()),
  announcedAt: z.number(),
})

const checkpointFile = z.object({
  version: z.literal(1),
  site: z.string(),
  host: z.string(),
  savedAt: z.number(),
  lastDiscovery: z.number(),
  producerIds: z.array(z.string()),
  marks: z.record(z.string(), z.object({ id: z.string(), offsets: z.array(count) })),
  ledger: z.array(
    z.object({
      stream: z.string(),
      held: z.array(z.tuple([count, count])),
      event: z.number().nullable(),
      touched: z.number(),
    }),
  ),
  streams: z.array(savedStream),
})
export type SavedCheckpoint = z.infer<typeof checkpointFile>

export interface CheckpointFacts {
  readonly site: string
  readonly host: string
  readonly now: number
  readonly lastDiscovery: number
  readonly marks: Marks
  readonly ledger: Ledger
  readonly streams: Streams
  readonly producerIds: readonly string[]
}

/**
 * What an agent knows, as one value. Taken in one go: marks say up to which offset of each partition the ledger accounts
 * for every record of this agent.
 */
export function takeCheckpoint(facts: CheckpointFacts): SavedCheckpoint {
  const { site, host, now, lastDiscovery, marks, ledger, streams, producerIds } = facts
  return {
    version: 1,
    site,
    host,
    savedAt: now,
    lastDiscovery,
    producerIds: [...producerIds],
    marks: structuredClone(marks) as SavedCheckpoint['marks'],
    ledger: [...ledger.entries()].map(([stream, { held, event, touched }]) => ({
      stream,
      held: held.toJSON() as [number, number][],
      event: event ?? null,
      touched,
    })),
    streams: [...streams.all()].map(saveStream),
  }
}

function saveStream(stream: Stream): z.infer<typeof savedStream> {
  const { id, identity, origin, tenant, topic, path, firstSeen, seen, anchor, ended, copies, announcedAt } =
    stream
  return {
    ...{ id, origin, tenant, topic, path, firstSeen, seen, announcedAt },
    identity: { ...identity },
    anchor: { at: anchor.at, bytes: anchor.bytes.toString('base64') },
    ended: ended ?? null,
    copies: [...copies],
  }
}

export function restoreCheckpoint(saved: SavedCheckpoint, ledger: Ledger, streams: Streams): void {
  for (const { stream, held, event, touched } of saved.ledger)
    ledger.restore(stream, held as readonly Interval[], event ?? undefined, touched)
  for (const { identity, anchor, ended, copies, ...rest } of saved.streams) {
    const { ordinal, ...file } = identity
    streams.add({
      ...rest,
      identity: ordinal === undefined ? file : { ...file, ordinal },
      anchor: { at: anchor.at, bytes: Buffer.from(anchor.bytes, 'base64') },
      position: 0,
      event: undefined,
      account: ledger.account(rest.id),
      ended: ended ?? undefined,
      copies: new Set(copies),
    })
  }
}

/**
 * Undefined when there is none, or it is unreadable: then everything is read back from the topics.
 * @throws AjnaError AGENT_STATE_FOREIGN
 */
export async function loadCheckpoint(
  path: string,
  owner: { readonly site: string; readonly host: string },
  log: Logger,
): Promise<SavedCheckpoint | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  let parsed: ReturnType<typeof checkpointFile.safeParse>
  try {
    parsed = checkpointFile.safeParse(JSON.parse(text))
  } catch (error) {
    log.error(
      { err: error, path },
      'the checkpoint is damaged: what was shipped is read back from the topics',
    )
    return undefined
  }
  if (!parsed.success) {
    log.error(
      { err: parsed.error, path },
      'the checkpoint is damaged: what was shipped is read back from the topics',
    )
    return undefined
  }
  const { site, host } = parsed.data
  if (site !== owner.site || host !== owner.host) {
    throw new AjnaError(
      AGENT_STATE_FOREIGN,
      `${path} is the state of ${host} at ${site}, not of ${owner.host}`,
    )
  }
  return parsed.data
}

/** Replaces the file: a reader (the next start) finds the old one or the new one, whole. */
export async function saveCheckpoint(path: string, checkpoint: SavedCheckpoint): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const fresh = `${path}.new`
  await using file = await open(fresh, 'w')
  await file.writeFile(JSON.stringify(checkpoint))
  await file.datasync()
  await rename(fresh, path)
  await syncDirectory(dirname(path))
}

async function syncDirectory(path: string): Promise<void> {
  const directory: FileHandle = await open(join(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
