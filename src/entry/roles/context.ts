import type { Session } from '../../foundation/http/session.ts'
import type { Logger } from '../../foundation/log/log.ts'
import type { Wire } from '../../foundation/wire/contract.ts'
import type { FleetFile } from '../fleet-file.ts'
import type { Home } from '../home.ts'

/** What every role gets: the accepted fleet, its log, the machine's session, and connections as a principal. */
export interface RoleContext {
  readonly home: Home
  readonly file: FleetFile
  /** Which of the machine's processes of its role this is; undefined: nobody counts it. */
  readonly number: number | undefined
  readonly session: Session
  readonly log: Logger
  readonly signal: AbortSignal
  wire(cluster: string, principal: string): Promise<Wire>
}
