import { type LinkStore, linkStateSchema } from './contract.ts'
import { LINK_STATE_INVALID } from './errors.ts'
import { valueFile } from './value-file.ts'

/** A link's state in one file. */
export const fileLinkStore = (path: string): LinkStore => valueFile(path, linkStateSchema, LINK_STATE_INVALID)
