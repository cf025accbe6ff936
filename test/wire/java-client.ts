import { spawn } from 'node:child_process'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { ensureKafka } from '../../src/foundation/kafka-dist/kafka-dist.ts'
import { defaultKafkaVersion } from '../../src/foundation/kafka-dist/versions.ts'

const SOURCE = fileURLToPath(new URL('./JavaClient.java', import.meta.url))
const DEADLINE_MS = 120_000

/** Runs JavaClient.java (its comment says what it can do) against the jars of the pinned Kafka. */
export async function javaClient(args: readonly string[], input = ''): Promise<string> {
  const dist = await ensureKafka(defaultKafkaVersion)
  const jvm = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx256m', '-cp', dist.classpath]
  const printed = await run(dist.java.path, [...jvm, SOURCE, ...args], input)
  return printed.toString('utf8')
}

/** Runs a program to its end and answers what it printed. */
export async function run(
  program: string,
  args: readonly string[],
  input: string | Buffer = '',
): Promise<Buffer> {
  const child = spawn(program, args, { timeout: DEADLINE_MS })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  // A program that fails early closes its input: its exit code says more than EPIPE.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [out, complaints, code] = await Promise.all([buffer(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${complaints.slice(-2000)}`)
  return out
}
