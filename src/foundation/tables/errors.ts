import { errorKind } from '../errors/errors.ts'

export const SqlInvalid = errorKind(
  'SQL_INVALID',
  'The SQL does not parse, or names a column, table or function that does not exist.',
  'Correct the SQL where the message points.',
  2,
)
export const SqlForbidden = errorKind(
  'SQL_FORBIDDEN',
  'The SQL asks for something that queries may not do.',
  'Queries are one SELECT over the tables offered: no other statement, no files, no network, no settings.',
  3,
)
export const SqlTimeout = errorKind(
  'SQL_TIMEOUT',
  'The query took longer than it was allowed to.',
  'Narrow it (a time range, a tenant, a host), or allow it more time.',
)
export const SqlTooLarge = errorKind(
  'SQL_TOO_LARGE',
  'The query needs more memory, or answers with more bytes, than it was allowed to.',
  'Narrow it, select fewer columns, aggregate, or add a LIMIT.',
)
export const SqlFailed = errorKind(
  'SQL_FAILED',
  'The query failed while it ran.',
  'The message says on what; a failing conversion can be made null with TRY_CAST or try().',
  2,
)
export const TablesFailed = errorKind(
  'TABLES_FAILED',
  'The embedded database could not do what the program asked of it.',
  'If the message speaks of space or memory, give it more of that; otherwise this is a fault in the program.',
)
export const SqlBusy = errorKind(
  'SQL_BUSY',
  'As many queries as may run at once are running, and as many as may wait are waiting.',
  'Try again in a moment, or narrow the queries that run.',
)
export const SqlCrashed = errorKind(
  'SQL_CRASHED',
  'The process that ran the query ended unexpectedly.',
  'Nothing else was harmed. If the same query does it again, report it with the query.',
)
