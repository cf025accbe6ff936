/**
 * Writes numbered lines to a file at a steady rate and rotates it in every way while it does:
 *
 *     node write-lines.ts <file> <lines> <lines a second> <rotate every n lines>
 *
 * Prints one JSON line at the end: how many lines and bytes were written.
 */
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'

const [path, lines, rate, every] = [process.argv[2]!, ...process.argv.slice(3).map(Number)] as [
  string,
  number,
  number,
  number,
]
const FILLER = 'x'.repeat(60)
const BATCH = 500

let handle = openSync(path, 'a')
let bytes = 0
let rotations = 0

/** In turn: renamed away, copied and truncated, renamed and compressed a while later. */
async function rotate(): Promise<void> {
  const turn = rotations % 3
  rotations++
  if (turn === 1) {
    copyFileSync(path, `${path}.${rotations}`)
    truncateSync(path, 0)
    return
  }
  const away = `${path}.${rotations}`
  renameSync(path, away)
  closeSync(handle)
  handle = openSync(path, 'a')
  if (turn === 2) {
    await delay(1_500)
    writeFileSync(`${away}.gz`, gzipSync(readFileSync(away)))
    rmSync(away)
  }
}

const began = performance.now()
for (let line = 0; line < lines; ) {
  let text = ''
  const end = Math.min(line + BATCH, lines)
  const time = new Date().toISOString()
  for (; line < end; line++) text += `${time} line ${line} ${FILLER}\n`
  writeSync(handle, text)
  bytes += text.length
  if (line % every === 0 && line < lines) await rotate()
  const ahead = (line / rate) * 1_000 - (performance.now() - began)
  if (ahead > 0) await delay(ahead)
}
closeSync(handle)
process.stdout.write(`${JSON.stringify({ lines, bytes, rotations })}\n`)
