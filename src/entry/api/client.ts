import createClient, { type Client } from 'openapi-fetch'
import type { paths } from '../../../console/src/api/schema.d.ts'
import { AjnaError, type ExitCode, errorKind } from '../../foundation/errors/errors.ts'
import type { ErrorBody } from '../../foundation/http/answer.ts'

export const CONTROL_UNREACHABLE = errorKind(
  'CONTROL_UNREACHABLE',
  'The control process does not answer.',
  'See `ajna status`; start the fleet with `ajna up`.',
)

export type ApiClient = Client<paths>

/**
 * The API as programs call it, typed by the generated document.
 *
 * @param base `http://127.0.0.1:<port>`
 * @param token what run/token holds
 */
export function createApiClient(base: string, token: string): ApiClient {
  return createClient<paths>({
    baseUrl: base,
    headers: { authorization: `Bearer ${token}` },
    fetch: request => fetchOrSay(request, base),
  })
}

async function fetchOrSay(request: Request, base: string): Promise<Response> {
  try {
    return await fetch(request)
  } catch (cause) {
    if (request.signal.aborted) throw cause
    throw new AjnaError(CONTROL_UNREACHABLE, `nothing answers at ${base}`, { cause })
  }
}

/**
 * The answer's data, or its error as the error it is.
 *
 * @throws AjnaError with the server's own code, message, remedy and details
 */
export function dataOf<Data>(answer: {
  readonly data?: Data
  readonly error?: unknown
  readonly response: Response
}): Data {
  if (answer.response.ok && answer.data !== undefined) return answer.data
  const body = answer.error as Partial<ErrorBody> | undefined
  const code = body?.code ?? 'HTTP_INTERNAL'
  const remedy = body?.remedy ?? 'Look at logs/control.log.'
  throw new AjnaError(
    {
      code,
      meaning: '',
      remedy,
      exit: exitOf(answer.response.status),
    },
    body?.message ?? `the server answered ${answer.response.status}`,
    {
      details: body?.details ?? {},
    },
  )
}

/** Of a command that was answered so: refused as unsafe, invalid input, or failed. */
function exitOf(status: number): ExitCode {
  if (status === 403 || status === 409) return 3
  return [400, 404, 405, 415, 422].includes(status) ? 2 : 1
}
