/** Uses every part of the client, closes it, and ends if nothing keeps the process alive. Arguments: bootstrap addresses. */
import { openWire } from '../../src/foundation/wire/wire.ts'
import { batchOf } from './records.ts'
import { createTopic } from './topics.ts'

const bootstrap = process.argv.slice(2)
const signal = AbortSignal.timeout(20_000)
const topic = `close-${process.pid}`
await createTopic(bootstrap, topic)
const wire = openWire({ bootstrap, clientId: 'close' })
const producer = await wire.producer({}, signal)
await producer.append(topic, 0, batchOf('value'))
const stream = wire.fetch({ from: [{ topic, partition: 0, offset: 0 }], signal })
for await (const event of stream) if (event.kind === 'caught-up') break
await stream[Symbol.asyncDispose]()
await producer[Symbol.asyncDispose]()
await wire.close()
process.stdout.write('closed\n')
