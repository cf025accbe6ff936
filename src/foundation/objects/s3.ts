import { createWriteStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { AjnaError } from '../errors/errors.ts'
import { ObjectMissing, ObjectStoreFull, ObjectStoreUnavailable, ObjectTooLarge } from './errors.ts'
import { checkPrefix, keySegments } from './keys.ts'
import { readExactly } from './read.ts'
import { conditionalPutLimit, type ObjectBody, type ObjectInfo, type ObjectStore } from './store.ts'

export interface S3Options {
  /** E.g. `https://s3.eu-central-1.amazonaws.com`; absent: the region's own. */
  readonly endpoint?: string
  readonly region: string
  readonly bucket: string
  /** Prepended to every key, e.g. `ajna/`. Default none. */
  readonly prefix?: string
  /** Absent: what the SDK finds in the environment. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Default 16 MiB; S3's least is 5 MiB. Larger bodies go up in parts of this many bytes, one held in memory at a time. */
  readonly partBytes?: number
  /** Per request; default 30,000. */
  readonly requestTimeoutMs?: number
}

/** Objects in an S3 bucket (path style, so any compatible server will do that honours If-None-Match). */
export function openS3Store(options: S3Options): ObjectStore {
  const { bucket, prefix = '', partBytes = 16 * 1024 * 1024 } = options
  const client = new S3Client({
    region: options.region,
    forcePathStyle: true,
    requestHandler: {
      requestTimeout: options.requestTimeoutMs ?? 30_000,
      connectionTimeout: 5_000,
      throwOnRequestTimeout: true,
    },
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    // A copy: the SDK writes into what it is given.
    ...(options.credentials === undefined ? {} : { credentials: { ...options.credentials } }),
  })
  const named = (key: string): { Bucket: string; Key: string } => ({
    Bucket: bucket,
    Key: prefix + keySegments(key).join('/'),
  })

  async function putInParts(key: string, file: FileHandle, size: number): Promise<void> {
    const target = named(key)
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(target))
    const upload = { ...target, UploadId }
    try {
      const parts: { ETag: string | undefined; PartNumber: number }[] = []
      for (let start = 0; start < size; start += partBytes) {
        const Body = await readExactly(file, start, Math.min(partBytes, size - start))
        const PartNumber = parts.length + 1
        const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }))
        parts.push({ ETag, PartNumber })
      }
      await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }))
    } catch (error) {
      // Best effort: `tidy` ends what could not be ended here.
      await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined)
      throw error
    }
  }

  async function putBody(key: string, body: ObjectBody): Promise<void> {
    if (!('file' in body)) {
      await client.send(new PutObjectCommand({ ...named(key), Body: body }))
      return
    }
    await using file = await open(body.file, 'r')
    const { size } = await file.stat()
    if (size > partBytes) return await putInParts(key, file, size)
    await client.send(new PutObjectCommand({ ...named(key), Body: await readExactly(file, 0, size) }))
  }

  async function headOf(key: string): Promise<ObjectInfo | undefined> {
    try {
      const found = await client.send(new HeadObjectCommand(named(key)))
      return { key, size: found.ContentLength ?? 0, modifiedMs: found.LastModified?.getTime() ?? 0 }
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw error
    }
  }

  async function abortUploadsBefore(cutMs: number): Promise<number> {
    let aborted = 0
    const { Uploads = [] } = await client.send(
      new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }),
    )
    for (const upload of Uploads) {
      if (upload.Initiated === undefined || upload.Initiated.getTime() > cutMs) continue
      await client.send(
        new AbortMultipartUploadCommand({ Bucket: bucket, Key: upload.Key, UploadId: upload.UploadId }),
      )
      aborted++
    }
    return aborted
  }

  return {
    name: `${options.endpoint ?? 's3:/'}/${bucket}/${prefix}`,
    localPath: () => undefined,
    close: () => client.destroy(),
    put: (key, body) => putBody(key, body).catch(rethrow(`put ${key}`)),
    async putIfAbsent(key, body) {
      if (body.byteLength > conditionalPutLimit)
        throw new AjnaError(ObjectTooLarge, `${key}: ${body.byteLength} bytes in a conditional put`)
      try {
        await client.send(new PutObjectCommand({ ...named(key), Body: body, IfNoneMatch: '*' }))
        return 'created'
      } catch (error) {
        if (statusOf(error) === 412) return 'exists'
        return rethrow(`put ${key}`)(error)
      }
    },
    async get(key, range) {
      if (range !== undefined && range.end <= range.start) return Buffer.alloc(0)
      const Range = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }
      try {
        const { Body } = await client.send(new GetObjectCommand({ ...named(key), ...Range }))
        return Buffer.from((await Body?.transformToByteArray()) ?? [])
      } catch (error) {
        if (statusOf(error) === 416) return Buffer.alloc(0) // begins at or beyond the object's end
        return rethrow(`get ${key}`)(error)
      }
    },
    async download(key, path) {
      try {
        const { Body } = await client.send(new GetObjectCommand(named(key)))
        await pipeline(Body as Readable, createWriteStream(path, { flags: 'wx' }))
      } catch (error) {
        rethrow(`download ${key}`)(error)
      }
    },
    head: key => headOf(key).catch(rethrow(`head ${key}`)),
    async list(under, { after, limit = 1000 } = {}) {
      checkPrefix(under)
      const page = await client
        .send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: prefix + under,
            MaxKeys: Math.min(limit, 1000),
            ...(after === undefined ? {} : { StartAfter: prefix + after }),
          }),
        )
        .catch(rethrow(`list ${under}`))
      const objects = (page.Contents ?? []).map(found => ({
        key: (found.Key ?? '').slice(prefix.length),
        size: found.Size ?? 0,
        modifiedMs: found.LastModified?.getTime() ?? 0,
      }))
      const last = objects.at(-1)
      return page.IsTruncated && last !== undefined ? { objects, next: last.key } : { objects }
    },
    async delete(key) {
      await client.send(new DeleteObjectCommand(named(key))).catch(rethrow(`delete ${key}`))
    },
    tidy: olderThanMs => abortUploadsBefore(Date.now() - olderThanMs).catch(rethrow('tidy')),
  }
}

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined

const rethrow =
  (what: string) =>
  (error: unknown): never => {
    if (error instanceof AjnaError) throw error
    const status = statusOf(error)
    // 507 and QuotaExceeded: how S3-compatible servers on a disk say that it is full.
    const full =
      status === 507 ||
      (error instanceof Error &&
        /quota|insufficient.?storage|no space/i.test(`${error.name} ${error.message}`))
    const kind = status === 404 ? ObjectMissing : full ? ObjectStoreFull : ObjectStoreUnavailable
    throw new AjnaError(kind, what, { cause: error })
  }
