#!/usr/bin/env node
// The installed package's entry: whatever Node runs this, the program itself runs on the pinned one.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const node = join(dirname(require.resolve('node/package.json')), 'bin', 'node')
const main = fileURLToPath(new URL('../dist/entry/cli/main.js', import.meta.url))
const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', error => {
  console.error(
    `error NODE_MISSING: ${error.message}\n  what to do: reinstall the package (npm rebuild node)`,
  )
  process.exit(1)
})
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)))
