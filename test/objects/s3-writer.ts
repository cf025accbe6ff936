/** Puts sealed objects, some of them in parts, into an S3 store until it is killed; prints the key of each finished put. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openS3Store } from '../../src/foundation/objects/s3.ts'
import { sealed } from './killed-writer.ts'

const [options = '', folder = '', round = ''] = process.argv.slice(2)
const store = openS3Store(JSON.parse(options))
const scratch = await mkdtemp(join(folder, 'writer-'))
for (let n = 0; ; n++) {
  const key = `killed/${round}-${n}`
  if (n % 2 === 0) {
    const file = join(scratch, `${n}`)
    await writeFile(file, sealed(6_000_000, n))
    await store.put(key, { file })
  } else await store.putIfAbsent(key, sealed(1_000_000, n))
  process.stdout.write(`${key}\n`)
}
