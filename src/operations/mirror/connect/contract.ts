/** What Kafka Connect's REST API (4.3) says, as far as a server of links answers in it. */

export const connectorStates = ['RUNNING', 'PAUSED', 'STOPPED', 'FAILED', 'UNASSIGNED', 'RESTARTING'] as const
export type ConnectorState = (typeof connectorStates)[number]

export interface ConnectorInfo {
  readonly name: string
  readonly config: Readonly<Record<string, string>>
  readonly tasks: readonly TaskId[]
  readonly type: 'source'
}

export interface TaskId {
  readonly connector: string
  readonly task: number
}

export interface TaskInfo {
  readonly id: TaskId
  readonly config: Readonly<Record<string, string>>
}

export interface StateInfo {
  readonly state: ConnectorState
  readonly worker_id: string
  /** Why it is not RUNNING, for people. */
  readonly trace?: string
  readonly version: string
}

export interface TaskStateInfo extends StateInfo {
  readonly id: number
}

export interface ConnectorStateInfo {
  readonly name: string
  readonly connector: StateInfo
  readonly tasks: readonly TaskStateInfo[]
  readonly type: 'source'
}

/** One partition's position, in the words of the connector it belongs to. */
export interface ConnectorOffset {
  readonly partition: Readonly<Record<string, string | number>>
  readonly offset: Readonly<Record<string, number>> | null
}
