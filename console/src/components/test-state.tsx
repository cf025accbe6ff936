import type { Test } from '../api/client.ts'
import { Status, type Tone } from './status.tsx'

const STATES: Readonly<Record<Test['state'], readonly [tone: Tone, words: string]>> = {
  running: ['off', 'running'],
  met: ['ok', 'as expected'],
  missed: ['bad', 'not as expected'],
  failed: ['bad', 'failed'],
  stopped: ['off', 'stopped'],
  died: ['warn', 'died'],
}

export const testWords = (state: Test['state']): string => STATES[state][1]

export function TestState({ state }: { readonly state: Test['state'] }) {
  const [tone, words] = STATES[state]
  return <Status tone={tone}>{words}</Status>
}
