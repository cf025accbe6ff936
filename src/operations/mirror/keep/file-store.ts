import { valueFile } from '../value-file.ts'
import { KEEP_STATE_INVALID } from './errors.ts'
import { EMPTY_KEEP, type KeepState, type KeepStore, keepStateSchema } from './state.ts'

/** What a link keeps, in one file: for one worker at a time. */
export function fileKeepStore(path: string): KeepStore {
  const file = valueFile<KeepState>(path, keepStateSchema, KEEP_STATE_INVALID)
  let saving: Promise<unknown> = Promise.resolve()
  const change = (make: (before: KeepState) => KeepState): Promise<void> => {
    const saved = saving.then(async () => file.save(make((await file.load()) ?? EMPTY_KEEP)))
    saving = saved.catch(() => undefined)
    return saved
  }
  return {
    load: file.load,
    saveRights: rights => change(before => ({ ...before, ...rights })),
    saveGroups: groups =>
      change(before => ({
        ...before,
        groups: {
          ...before.groups,
          ...Object.fromEntries([...groups].map(([group, moved]) => [group, [...moved]])),
        },
      })),
  }
}
