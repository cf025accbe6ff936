/** Writes docs/openapi.json and the console's and CLI's types from the API's routes. A test fails when they differ. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { generatedFiles } from '../src/entry/api/generate.ts'

const root = resolve(import.meta.dirname, '..')
for (const [path, text] of await generatedFiles(root)) {
  const file = resolve(root, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
  console.error(`wrote ${path}`)
}
