import { errorKind } from '../errors/errors.ts'

export const ObjectKeyInvalid = errorKind(
  'OBJECT_KEY_INVALID',
  'An object was given a name that the object store does not allow.',
  'Names are segments of letters, digits and . _ = @ + % ~ - joined by /, none of them starting with a dot, 900 bytes at most.',
  2,
)
export const ObjectMissing = errorKind(
  'OBJECT_MISSING',
  'An object that should be in the object store is not there.',
  'If it was removed by hand, put it back from a copy; if not, check that the store is the one this fleet has always used.',
)
export const ObjectStoreFull = errorKind(
  'OBJECT_STORE_FULL',
  'The object store has no room left.',
  'Free space on its disk, raise its quota, or turn on retention. Work waits and goes on by itself once there is room.',
)
export const ObjectStoreUnavailable = errorKind(
  'OBJECT_STORE_UNAVAILABLE',
  'The object store could not be reached or did not do what it was asked.',
  'Check its address, credentials and health. Work waits and goes on by itself once the store answers.',
)
export const ObjectTooLarge = errorKind(
  'OBJECT_TOO_LARGE',
  'An object is larger than the object store takes in one piece.',
  'This is a fault in the program: conditional puts are meant for small commits only.',
)
