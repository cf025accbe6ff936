import { AjnaError } from '../../../../foundation/errors/errors.ts'
import { TROGDOR_SPEC_INVALID } from '../errors.ts'

const COMMENT_OR_STRING = /"(?:[^"\\]|\\.)*"|\/\/[^\n\r]*|\/\*[\s\S]*?\*\//g

/**
 * JSON in which comments are allowed, as Trogdor's files have them (Jackson's ALLOW_COMMENTS in its JsonUtil). Comments
 * become spaces, so that the position in an error is the file's.
 *
 * @throws AjnaError TROGDOR_SPEC_INVALID
 */
export function parseCommentedJson(text: string, what: string): unknown {
  const bare = text.replace(COMMENT_OR_STRING, found =>
    found.startsWith('"') ? found : found.replace(/[^\n\r]/g, ' '),
  )
  try {
    return JSON.parse(bare)
  } catch (cause) {
    throw new AjnaError(
      TROGDOR_SPEC_INVALID,
      `${what} is not JSON: ${(cause as Error).message.slice(0, 300)}`,
    )
  }
}
