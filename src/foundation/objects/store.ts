/**
 * An object store: names for bytes, nothing half-written ever visible under a name. A name that is another's folder
 * (`a` beside `a/b`) is refused by one of the drivers: don't use such. Two drivers keep the
 * same promises (test/objects/promises.ts holds them to it): the file system (fs.ts) and S3 (s3.ts).
 */

export interface ObjectInfo {
  readonly key: string
  /** Bytes. */
  readonly size: number
  /** When it was last put, ms since the epoch by the store's clock. */
  readonly modifiedMs: number
}

/** Bytes, or the path of a local file that holds them (it must not change while it is being put). */
export type ObjectBody = Uint8Array | { readonly file: string }

export interface ByteRange {
  readonly start: number
  /** One past the last byte. */
  readonly end: number
}

export interface ListOptions {
  /** Only keys greater than this one. */
  readonly after?: string
  /** At most this many; default and maximum 1,000. */
  readonly limit?: number
}

export interface ListPage {
  /** In ascending order of their keys' bytes. */
  readonly objects: readonly ObjectInfo[]
  /** Give it as `after` for the next page; absent on the last one. */
  readonly next?: string
}

/**
 * Errors of every call: AjnaError OBJECT_KEY_INVALID, OBJECT_STORE_FULL (no room), OBJECT_STORE_UNAVAILABLE (anything
 * else, with the cause).
 */
export interface ObjectStore {
  /** What a person calls this store: a path or an URL, without credentials. */
  readonly name: string
  /** Replaces what was there, atomically, and is durable when it resolves. */
  put(key: string, body: ObjectBody): Promise<void>
  /**
   * Creates the object, durably, unless the name is taken; of any number of racing callers exactly one is told `created`.
   * After an error, or `exists` behind a network that repeats requests, the name may hold the caller's own bytes: read it
   * and compare before concluding that another was first. At most {@link conditionalPutLimit} bytes.
   */
  putIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'>
  /** The bytes, or those of a range (cut off at the object's end). Throws OBJECT_MISSING. */
  get(key: string, range?: ByteRange): Promise<Buffer>
  /** Writes the object's bytes to a new local file. Throws OBJECT_MISSING. */
  download(key: string, file: string): Promise<void>
  head(key: string): Promise<ObjectInfo | undefined>
  list(prefix: string, options?: ListOptions): Promise<ListPage>
  /** Of an object that is not there: nothing happens. */
  delete(key: string): Promise<void>
  /** Where a local reader finds the object's bytes without a copy, if this store has such a place. */
  localPath(key: string): string | undefined
  /** Removes what interrupted puts left behind (never visible as objects) when older than this. Answers how many. */
  tidy(olderThanMs: number): Promise<number>
  close(): void
}

/** Commits are small: a conditional put is one request in every driver. */
export const conditionalPutLimit = 16 * 1024 * 1024

/** Every object under a prefix, in order, page by page. */
export async function* listAll(
  store: ObjectStore,
  prefix: string,
  after?: string,
): AsyncGenerator<ObjectInfo> {
  let from = after
  for (;;) {
    const page = await store.list(prefix, from === undefined ? {} : { after: from })
    yield* page.objects
    if (page.next === undefined) return
    from = page.next
  }
}
