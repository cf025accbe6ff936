import { readSession } from '../../foundation/http/session.ts'
import { type ApiClient, createApiClient } from '../api/client.ts'
import { type FleetFile, readFleetFile } from '../fleet-file.ts'
import { type Home, homeOf } from '../home.ts'

/** The running fleet's API, as the commands use it. */
export async function connectApi(): Promise<{
  readonly api: ApiClient
  readonly base: string
  readonly token: string
  readonly home: Home
  readonly file: FleetFile
}> {
  const home = homeOf()
  const file = await readFleetFile(home)
  const { token } = await readSession(home.token)
  const base = `http://127.0.0.1:${file.ports.console}`
  return { api: createApiClient(base, token), base, token, home, file }
}
