import type { ChangeEvent } from './contract.ts'

const MAX_UNREAD = 1_024

type Listen<E> = (listener: (event: E) => void) => () => void

/** The state, then accepted commands as they come; bounded: a consumer too far behind gets the state again. */
export async function* streamChanges<S, C>(
  listen: Listen<ChangeEvent<S, C>>,
  current: () => { readonly state: S; readonly next: number },
  stopped: AbortSignal,
  signal: AbortSignal | undefined,
): AsyncGenerator<ChangeEvent<S, C>, void> {
  let unread: ChangeEvent<S, C>[] = []
  let overrun = true
  let arrived = Promise.withResolvers<void>()
  const wake = () => arrived.resolve()
  const unlisten = listen(event => {
    if (unread.length < MAX_UNREAD && !overrun) unread.push(event)
    else overrun = true
    wake()
  })
  stopped.addEventListener('abort', wake)
  signal?.addEventListener('abort', wake)
  try {
    while (signal?.aborted !== true) {
      if (overrun) {
        overrun = false
        unread = []
        const { state, next } = current()
        yield { kind: 'reset', state, next }
      }
      for (const event of unread.splice(0)) yield event
      if (overrun || unread.length > 0) continue
      stopped.throwIfAborted()
      await arrived.promise
      arrived = Promise.withResolvers()
    }
  } finally {
    unlisten()
    stopped.removeEventListener('abort', wake)
    signal?.removeEventListener('abort', wake)
  }
}
