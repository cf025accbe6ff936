import { errorKind } from '../../foundation/errors/errors.ts'

export const ArchiveManifestInvalid = errorKind(
  'ARCHIVE_MANIFEST_INVALID',
  'A manifest of the archive is not what this program writes.',
  'If it was written by a newer version, run that one; if it was damaged, restore it from a copy of the object store. The archive waits for that, and answers nothing rather than less.',
)
export const ArchiveBroken = errorKind(
  'ARCHIVE_BROKEN',
  'An object that a manifest of the archive names is missing or is not the one named.',
  'Restore it from a copy of the object store. Until then queries that need it fail rather than answer with less.',
)
export const ArchiveQueryWide = errorKind(
  'ARCHIVE_QUERY_WIDE',
  'The query needs more archived objects than can be kept on this machine at once.',
  'Narrow it by time (WHERE time >= …), or give the archive a larger cache.',
  2,
)
export const ArchiveNotReady = errorKind(
  'ARCHIVE_NOT_READY',
  'The archive is still reading what it holds.',
  'Try again in a moment.',
)
export const TailFilterInvalid = errorKind(
  'TAIL_FILTER_INVALID',
  'A filter of the live tail cannot be used.',
  'Regular expressions are RE2-like: no back-references, no look-around, 500 characters at most.',
  2,
)
