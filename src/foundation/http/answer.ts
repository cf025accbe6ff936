import type { FastifyError } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { AjnaError, type ErrorKind } from '../errors/errors.ts'
import {
  HTTP_BUSY,
  HTTP_HOST_REFUSED,
  HTTP_INTERNAL,
  HTTP_MEDIA_TYPE_REFUSED,
  HTTP_METHOD_REFUSED,
  HTTP_NOT_FOUND,
  HTTP_ORIGIN_REFUSED,
  HTTP_REQUEST_INVALID,
  HTTP_REQUEST_TOO_LARGE,
  HTTP_TIMED_OUT,
  HTTP_UNAUTHENTICATED,
} from './errors.ts'

/** The body of every answer that is not a success. */
export interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly remedy: string
  readonly details: Readonly<Record<string, unknown>>
}

/** HTTP status per error code. */
export type StatusTable = Readonly<Record<string, number>>

const OWN_STATUSES: StatusTable = {
  [HTTP_REQUEST_INVALID.code]: 400,
  [HTTP_UNAUTHENTICATED.code]: 401,
  [HTTP_ORIGIN_REFUSED.code]: 403,
  [HTTP_NOT_FOUND.code]: 404,
  [HTTP_METHOD_REFUSED.code]: 405,
  [HTTP_REQUEST_TOO_LARGE.code]: 413,
  [HTTP_MEDIA_TYPE_REFUSED.code]: 415,
  [HTTP_HOST_REFUSED.code]: 421,
  [HTTP_BUSY.code]: 503,
  [HTTP_TIMED_OUT.code]: 504,
  [HTTP_INTERNAL.code]: 500,
}

const FASTIFY_STATUSES = new Map<number, ErrorKind>([
  [400, HTTP_REQUEST_INVALID],
  // A path that leads out of the directory whose files are served.
  [403, HTTP_NOT_FOUND],
  [404, HTTP_NOT_FOUND],
  [405, HTTP_METHOD_REFUSED],
  [413, HTTP_REQUEST_TOO_LARGE],
  [414, HTTP_REQUEST_TOO_LARGE],
  [415, HTTP_MEDIA_TYPE_REFUSED],
])

/** The part of a request that validation saw, for saying what was found where. */
export interface RequestParts {
  readonly id: string
  readonly body: unknown
  readonly query: unknown
  readonly params: unknown
}

/** Any thrown thing as what the caller is told. What nobody foresaw keeps its message in the log, not in the answer. */
export function answerFor(
  error: unknown,
  request: RequestParts,
  statuses: StatusTable = {},
): { status: number; body: ErrorBody } {
  const known = asAjnaError(error, request)
  return { status: statuses[known.code] ?? OWN_STATUSES[known.code] ?? 500, body: known.toJSON() }
}

function asAjnaError(error: unknown, request: RequestParts): AjnaError {
  if (error instanceof AjnaError) return error
  if (hasZodFastifySchemaValidationErrors(error)) return invalidRequest(error, request)
  const fastifyError = error as Partial<FastifyError> | null
  const kind = FASTIFY_STATUSES.get(fastifyError?.statusCode ?? 500)
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new AjnaError(HTTP_TIMED_OUT, 'the answer took longer than the server waits', { cause: error })
  }
  if (kind !== undefined) return new AjnaError(kind, String(fastifyError?.message ?? kind.meaning))
  return new AjnaError(HTTP_INTERNAL, `the request failed inside the server (request ${request.id})`, {
    details: { request: request.id },
  })
}

const PART_NAMES = { body: 'body', querystring: 'query', params: 'path', headers: 'headers' } as const
const MAX_FOUND_CHARACTERS = 120

interface Issue {
  readonly instancePath: string
  readonly keyword: string
  readonly message?: string
  readonly params: Record<string, unknown>
}

function invalidRequest(
  error: { validation: readonly unknown[]; validationContext?: string | undefined },
  request: RequestParts,
): AjnaError {
  const context = (error.validationContext ?? 'body') as keyof typeof PART_NAMES
  const part =
    context === 'querystring' ? request.query : context === 'params' ? request.params : request.body
  const problems = (error.validation as readonly Issue[])
    .slice(0, 20)
    .map(issue => problemOf(issue, PART_NAMES[context], part))
  const first = problems[0]!
  return new AjnaError(
    HTTP_REQUEST_INVALID,
    `${first.path}: found ${first.found}, allowed: ${first.allowed}`,
    { details: { problems } },
  )
}

function problemOf(
  issue: Issue,
  partName: string,
  part: unknown,
): { path: string; found: string; allowed: string } {
  const steps = issue.instancePath.split('/').filter(step => step !== '')
  const unknownKeys =
    issue.keyword === 'unrecognized_keys' ? (issue.params['keys'] as string[] | undefined) : undefined
  return {
    path: [partName, ...steps].join('.').slice(0, MAX_FOUND_CHARACTERS),
    found:
      unknownKeys === undefined
        ? foundText(valueAt(part, steps))
        : `unknown ${unknownKeys.slice(0, 5).join(', ').slice(0, MAX_FOUND_CHARACTERS)}`,
    allowed: unknownKeys === undefined ? allowedText(issue) : 'only the documented fields',
  }
}

function valueAt(root: unknown, steps: readonly string[]): unknown {
  let value = root
  for (const step of steps) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string, unknown>)[step]
  }
  return value
}

function foundText(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const text = JSON.stringify(value)
  return text.length > MAX_FOUND_CHARACTERS
    ? `${text.slice(0, MAX_FOUND_CHARACTERS)}… (${text.length} characters)`
    : text
}

function allowedText({ keyword, params, message }: Issue): string {
  const values = params['values'] as readonly unknown[] | undefined
  if (values !== undefined) return `one of ${values.slice(0, 30).join(', ')}`
  if (keyword === 'too_big') return `at most ${params['maximum']}${sizeUnit(params)}`
  if (keyword === 'too_small') return `at least ${params['minimum']}${sizeUnit(params)}`
  if (keyword === 'invalid_format' && params['pattern'] !== undefined)
    return `text matching ${params['pattern']}`
  if (params['expected'] !== undefined) return String(params['expected'])
  return message ?? keyword
}

function sizeUnit(params: Record<string, unknown>): string {
  return params['origin'] === 'string' ? ' characters' : params['origin'] === 'array' ? ' items' : ''
}
