import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ensureKafka } from '../../../../foundation/kafka-dist/kafka-dist.ts'
import { defaultKafkaVersion } from '../../../../foundation/kafka-dist/versions.ts'

const SOURCE = fileURLToPath(new URL('./TrogdorClient.java', import.meta.url))
const DONE = '== done'

export interface TrogdorClient extends AsyncDisposable {
  /** Runs a command against the coordinator and answers what it printed. */
  run(command: string, ...args: readonly string[]): Promise<string>
}

/** Trogdor's own client, of the pinned Kafka's jars. @param target `host:port` */
export async function trogdorClient(target: string): Promise<TrogdorClient> {
  const dist = await ensureKafka(defaultKafkaVersion)
  const jvm = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx128m', '-cp', dist.classpath]
  const child = spawn(dist.java.path, [...jvm, SOURCE], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => child.once('close', resolve))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async run(command, ...args) {
      child.stdin.write(`${[command, '-t', target, ...args].join('\t')}\n`)
      const printed: string[] = []
      for (;;) {
        const { done, value } = await lines.next()
        if (done === true) throw new Error(`Trogdor’s client ended: ${printed.join('\n')}`)
        if (value === DONE) return printed.join('\n')
        printed.push(value)
      }
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
    },
  }
}
