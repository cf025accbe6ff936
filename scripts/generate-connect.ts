/** Writes docs/CONNECT.md from the specs of connectors' keys; `test/docs/connect.test.ts` compares. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectPage } from '../src/operations/mirror/connect/config/table.ts'

export const CONNECT_PAGE = join(fileURLToPath(new URL('..', import.meta.url)), 'docs', 'CONNECT.md')

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CONNECT_PAGE, connectPage())
