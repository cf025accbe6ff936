/** Puts sealed objects into a file-system store until it is killed; prints the key of each finished put. */
import { openFsStore } from '../../src/foundation/objects/fs.ts'
import { sealed } from './killed-writer.ts'

const [root = '', round = ''] = process.argv.slice(2)
const store = await openFsStore(root)
for (let n = 0; ; n++) {
  const key = `killed/${round}-${n}`
  const bytes = sealed(2_000_000, n)
  if (n % 2 === 0) await store.put(key, bytes)
  else await store.putIfAbsent(key, bytes)
  process.stdout.write(`${key}\n`)
}
