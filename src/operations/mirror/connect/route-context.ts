import type { ActionOptions, ConnectorActions } from './actions.ts'
import type { ActiveTopics } from './active-topics.ts'
import type { ConnectorViews, ViewOptions } from './views.ts'

export interface ConnectOptions extends ActionOptions, ViewOptions {
  /** Of the cluster that keeps the links' journal; Connect's clients show it. */
  readonly clusterId: string
}

/** What every group of routes works with. */
export interface RouteContext {
  readonly options: ConnectOptions
  readonly actions: ConnectorActions
  readonly views: ConnectorViews
  readonly topics: ActiveTopics
}
