import { createHash } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readIfThere, setAside, writeWhole } from '../../../foundation/files/whole.ts'
import { type Task, taskSchema } from './task.ts'

/** The coordinator's tasks, one file each: on the disk when a call resolves. */
export interface TaskStore {
  load(): Promise<readonly Task[]>
  save(task: Task): Promise<void>
  remove(id: string): Promise<void>
}

/** Ids may hold what no file's name may. */
const fileOf = (folder: string, id: string): string =>
  join(folder, `${createHash('sha256').update(id).digest('hex').slice(0, 32)}.json`)

/** @param damaged told of a file that is no task's, which is set aside */
export function taskStore(folder: string, damaged: (aside: string) => void): TaskStore {
  return {
    async load() {
      await mkdir(folder, { recursive: true })
      const names = (await readdir(folder)).filter(name => name.endsWith('.json')).sort()
      const tasks: Task[] = []
      for (const name of names) {
        const file = join(folder, name)
        const task = parsed(await readIfThere(file))
        if (task === undefined) damaged(await setAside(file))
        else tasks.push(task)
      }
      return tasks
    },
    save: task => writeWhole(fileOf(folder, task.id), `${JSON.stringify(task)}\n`),
    remove: id => rm(fileOf(folder, id), { force: true }),
  }
}

function parsed(text: string | undefined): Task | undefined {
  try {
    return taskSchema.parse(JSON.parse(text ?? ''))
  } catch {
    return undefined
  }
}

/** For a task that is run once, and not kept. */
export const noStore: TaskStore = {
  load: async () => [],
  save: async () => undefined,
  remove: async () => undefined,
}
