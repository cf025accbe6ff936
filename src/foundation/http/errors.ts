import { errorKind } from '../errors/errors.ts'

export const HTTP_REQUEST_INVALID = errorKind(
  'HTTP_REQUEST_INVALID',
  'The request does not have the form this address expects.',
  'Correct the fields named in details; docs/openapi.json holds every request’s form.',
)
export const HTTP_REQUEST_TOO_LARGE = errorKind(
  'HTTP_REQUEST_TOO_LARGE',
  'The request’s body, address or headers exceed the server’s limits.',
  'Ask for less at once: page the request, or shorten the query.',
)
export const HTTP_UNAUTHENTICATED = errorKind(
  'HTTP_UNAUTHENTICATED',
  'The request carries no valid session.',
  'In a browser open the address that `ajna status` prints; in a program send the token in run/token as a bearer token.',
)
export const HTTP_ORIGIN_REFUSED = errorKind(
  'HTTP_ORIGIN_REFUSED',
  'The request comes from another origin than this server’s.',
  'Use the console at this server’s own address; other pages may not call it.',
)
export const HTTP_HOST_REFUSED = errorKind(
  'HTTP_HOST_REFUSED',
  'The request names a host this server does not serve.',
  'Use the server’s loopback address; names other than localhost must be allowed explicitly.',
)
export const HTTP_NOT_FOUND = errorKind(
  'HTTP_NOT_FOUND',
  'There is nothing at this address.',
  'Check the address; docs/openapi.json lists all of them.',
)
export const HTTP_METHOD_REFUSED = errorKind(
  'HTTP_METHOD_REFUSED',
  'The server does not know this method.',
  'Use GET to read and POST to act.',
)
export const HTTP_MEDIA_TYPE_REFUSED = errorKind(
  'HTTP_MEDIA_TYPE_REFUSED',
  'The body is not JSON.',
  'Send the body as application/json.',
)
export const HTTP_BUSY = errorKind(
  'HTTP_BUSY',
  'The server has as many open streams as it allows.',
  'Close another page or wait; the console tries again by itself.',
)
export const HTTP_TIMED_OUT = errorKind(
  'HTTP_TIMED_OUT',
  'What had to be asked for this answer did not answer in time.',
  'Ask for less, or look whether the cluster or role behind it is well.',
)
export const HTTP_INTERNAL = errorKind(
  'HTTP_INTERNAL',
  'The server failed in a way nobody foresaw.',
  'Look for the request id in logs/control.log and report what stands there.',
)
export const SESSION_MISSING = errorKind(
  'SESSION_MISSING',
  'The file with the token that the fleet’s processes know each other by is missing or damaged.',
  'Stop the fleet and start it again (`./ajna down`, `./ajna up`): a new token is made, which all of them take.',
)
