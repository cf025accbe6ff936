import { AjnaError, isAjnaError } from '../../foundation/errors/errors.ts'
import { LINK_END_SILENT } from './errors.ts'

/** What an end of a link answers. @throws AjnaError LINK_END_SILENT, which says at which end it failed; its details are the cause's */
export async function asked<Answer>(end: 'source' | 'target', answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer
  } catch (cause) {
    const details = isAjnaError(cause) ? cause.details : {}
    throw new AjnaError(LINK_END_SILENT, `the ${end} cannot be asked`, { cause, details })
  }
}
