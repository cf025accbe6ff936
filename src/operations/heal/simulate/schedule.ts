/** Simulated time: events in order of their time, then of their scheduling. Nothing sleeps. */
export interface Schedule {
  /** ms since the simulated beginning; whole. */
  now(): number
  after(ms: number, run: () => void): void
  /** Until the time has come, nothing is left, or it is told to stop. */
  run(until: number, stop: () => boolean): void
  events(): number
}

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export function createSchedule(start: number): Schedule {
  const heap: Event[] = []
  let now = start
  let order = 0
  let events = 0
  return {
    now: () => now,
    after: (ms, run) => push(heap, { at: now + Math.max(0, Math.round(ms)), order: order++, run }),
    run(until, stop) {
      while (heap.length > 0 && heap[0]!.at <= until && !stop()) {
        const event = pop(heap)
        now = event.at
        events++
        event.run()
      }
      if (!stop()) now = until
    },
    events: () => events,
  }
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

function push(heap: Event[], event: Event): void {
  let at = heap.length
  heap.push(event)
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!before(event, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = event
}

function pop(heap: Event[]): Event {
  const first = heap[0]!
  const last = heap.pop()!
  if (heap.length === 0) return first
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
    if (!before(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return first
}

/** Dice of one corner of the world: what happens elsewhere does not change how they fall. */
export interface Dice {
  next(): number
  between(low: number, high: number): number
  integer(below: number): number
  chance(probability: number): boolean
}

export function diceOf(random: () => number): Dice {
  return {
    next: random,
    between: (low, high) => low + random() * (high - low),
    integer: below => Math.floor(random() * below),
    chance: probability => random() < probability,
  }
}
