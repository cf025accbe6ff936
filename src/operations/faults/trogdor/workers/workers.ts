import { once } from 'node:events'
import type { Plan } from '../plan.ts'
import { connectionStress } from './connect.ts'
import { consumeBench } from './consume.ts'
import type { WorkContext } from './context.ts'
import type { FaultTarget } from './fault-target.ts'
import { partNetwork } from './part-network.ts'
import { produceBench } from './produce.ts'
import { roundTrip } from './round-trip.ts'
import { stopProcess } from './stop-process.ts'

export interface WorkTask {
  readonly plan: Plan
  /** Until its end, ms. */
  readonly forMs: number
  /** What its faults may be done to. */
  readonly target: FaultTarget | undefined
}

/** Does what a plan says; resolves when that is done, or when the context's end has come. */
export function work({ plan, forMs, target }: WorkTask, context: WorkContext): Promise<void> {
  switch (plan.kind) {
    case 'produce':
      return produceBench(plan, context)
    case 'consume':
      return consumeBench(plan, context)
    case 'round-trip':
      return roundTrip(plan, context)
    case 'connect':
      return connectionStress(plan, context)
    case 'stop-process':
      return stopProcess({ ...plan, forMs }, target, context)
    case 'part-network':
      return partNetwork({ ...plan, forMs }, target, context)
    case 'nothing':
      return doNothing(context)
    default:
      return plan satisfies never
  }
}

async function doNothing({ ending, report }: WorkContext): Promise<void> {
  report('running')
  if (!ending.aborted) await once(ending, 'abort')
  report('halted')
}
