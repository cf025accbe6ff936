import createClient from 'openapi-fetch'
import type { components, paths } from './schema.d.ts'

type Schemas = components['schemas']
export type ActPreview = Schemas['ActPreview']
export type Activity = Schemas['Activity']
export type Broker = Schemas['Broker']
export type Cluster = Schemas['Cluster']
export type ClusterSummary = Schemas['ClusterSummary']
export type Completeness = Schemas['Completeness']
export type Delay = Schemas['Delay']
export type Finding = Schemas['Finding']
export type Fleet = Schemas['Fleet']
export type Group = Schemas['Group']
export type HealedCluster = Schemas['HealedCluster']
export type Incident = Schemas['Incident']
export type JournalStanding = Schemas['JournalStanding']
export type Link = Schemas['Link']
export type LinkPartition = Schemas['LinkPartition']
export type LinkRow = Schemas['LinkRow']
export type LibraryScenario = Schemas['LibraryScenario']
export type LogLine = Schemas['LogLine']
export type LogTable = Schemas['LogTable']
export type Message = Schemas['Message']
export type Metric = Schemas['Metric']
export type Partition = Schemas['Partition']
export type Payload = Schemas['Payload']
export type Process = Schemas['Process']
export type Rehearsal = Schemas['Rehearsal']
export type RehearsalRequest = Schemas['RehearsalRequestInput']
export type SearchHit = Schemas['SearchHit']
export type StreamVerdict = Schemas['StreamVerdict']
export type Subject = Schemas['Subject']
export type SwitchRequest = Schemas['SwitchRequestInput']
export type Test = Schemas['Test']
export type TestDetail = Schemas['TestDetail']
export type TestEvent = Schemas['TestEvent']
export type Topic = Schemas['Topic']
export type TopicRow = Schemas['TopicRow']

export const api = createClient<paths>({ baseUrl: location.origin })

/** What the server said instead of an answer, or that it said nothing at all. */
export class ApiError extends Error {
  readonly code: string
  readonly remedy: string
  readonly details: Readonly<Record<string, unknown>>
  readonly status: number

  constructor(status: number, body: Partial<Schemas['Error']>) {
    super(body.message ?? (status === 0 ? 'the server does not answer' : `the server answered ${status}`))
    this.name = 'ApiError'
    this.status = status
    this.code = body.code ?? (status === 0 ? 'UNREACHABLE' : 'UNKNOWN')
    this.remedy = body.remedy ?? 'The page tries again by itself. If this stays, see `ajna status`.'
    this.details = body.details ?? {}
  }
}

/** The data of an answer. @throws ApiError */
export async function data<Data>(
  call: Promise<{ readonly data?: Data; readonly error?: unknown; readonly response: Response }>,
): Promise<Data> {
  const answer = await call.catch(error => {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError(0, {})
  })
  if (answer.response.ok && answer.data !== undefined) return answer.data
  throw new ApiError(answer.response.status, (answer.error ?? {}) as Partial<Schemas['Error']>)
}
