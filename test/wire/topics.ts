import { Admin } from '@platformatic/kafka'
import type { TlsIdentity } from '../../src/foundation/wire/contract.ts'

export interface TopicOptions {
  readonly partitions?: number
  /** Default 1. */
  readonly replicas?: number
  readonly config?: Readonly<Record<string, string>>
  readonly tls?: TlsIdentity
}

const UNKNOWN_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION'

async function asAdmin<T>(
  bootstrap: readonly string[],
  tls: TlsIdentity | undefined,
  work: (admin: Admin) => Promise<T>,
) {
  const secure = tls === undefined ? {} : { tls: { ca: tls.ca, cert: tls.cert, key: tls.key } }
  const admin = new Admin({ clientId: 'test-topics', bootstrapBrokers: [...bootstrap], ...secure })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

/** Creates a topic, for tests. */
export async function createTopic(
  bootstrap: readonly string[],
  name: string,
  options: TopicOptions = {},
): Promise<void> {
  const configs = Object.entries(options.config ?? {}).map(([key, value]) => ({ name: key, value }))
  const topic = {
    topics: [name],
    partitions: options.partitions ?? 1,
    replicas: options.replicas ?? 1,
    configs,
  }
  await asAdmin(bootstrap, options.tls, admin => admin.createTopics(topic))
}

export async function deleteTopic(
  bootstrap: readonly string[],
  name: string,
  tls?: TlsIdentity,
): Promise<void> {
  await asAdmin(bootstrap, tls, admin => admin.deleteTopics({ topics: [name] })).catch((error: unknown) => {
    if (!String(error).includes(UNKNOWN_TOPIC)) throw error
  })
}

/** @param total partitions in all afterwards */
export async function addPartitions(
  bootstrap: readonly string[],
  name: string,
  total: number,
): Promise<void> {
  await asAdmin(bootstrap, undefined, admin =>
    admin.createPartitions({ topics: [{ name, count: total, assignments: null }] }),
  )
}
