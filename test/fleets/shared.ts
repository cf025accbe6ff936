/**
 * Starts the cluster that integration tests share, runs the command given, ends with its exit code:
 *
 *     node test/fleets/shared.ts node --test 'src/**' …
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { sharedVariable, startCluster } from './cluster.ts'

const [command, ...args] = process.argv.slice(2)
if (command === undefined) throw new Error('say which command is to run beside the shared cluster')

await using cluster = await startCluster({ nodes: 3, name: 'shared' })
const child = spawn(command, args, {
  stdio: 'inherit',
  env: { ...process.env, [sharedVariable]: JSON.stringify(cluster.placed) },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
const [code] = (await once(child, 'exit')) as [number | null]
process.exitCode = code ?? 1
