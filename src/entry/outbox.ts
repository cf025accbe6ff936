import { hostname } from 'node:os'
import { type Outbox, openOutbox } from '../operations/fleet/activity/outbox.ts'
import type { Home } from './home.ts'

/** The machine's outbox of activity: any process of the fleet may put entries, whatever else is up. */
export const outboxOf = (home: Home): Outbox => openOutbox({ directory: home.outbox, host: hostname() })
