import { Producer, stringSerializers } from '@platformatic/kafka'
import type { TlsIdentity } from '../../src/foundation/wire/contract.ts'

/** Writes transactions one after another, each over all partitions; every third is aborted. Values say which. */
export async function writeTransactions(
  bootstrap: readonly string[],
  topic: string,
  partitions: number,
  count: number,
  tls?: TlsIdentity,
): Promise<void> {
  const producer = new Producer({
    clientId: 'transactions',
    bootstrapBrokers: [...bootstrap],
    ...(tls === undefined ? {} : { tls: { ca: tls.ca, cert: tls.cert, key: tls.key } }),
    serializers: stringSerializers,
    idempotent: true,
    transactionalId: `tx-${topic}`,
    // Its default asks for epoch 0 of id 0, which fences the wrong side.
    producerId: -1n,
    producerEpoch: -1,
    // CONCURRENT_TRANSACTIONS costs a second otherwise.
    retryDelay: () => 20,
  })
  try {
    for (let n = 0; n < count; n++) {
      const transaction = await producer.beginTransaction()
      const fate = n % 3 === 2 ? 'aborted' : 'committed'
      for (let partition = 0; partition < partitions; partition++) {
        await transaction.send({
          messages: [1, 2].map(i => ({ topic, partition, value: `${fate}-${n}-${i}` })),
        })
      }
      await (fate === 'aborted' ? transaction.abort() : transaction.commit())
    }
  } finally {
    await producer.close()
  }
}
