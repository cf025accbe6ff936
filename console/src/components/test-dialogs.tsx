import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useId, useState } from 'react'
import { api, data, type Test } from '../api/client.ts'
import { at, go } from '../router.tsx'
import { ActDialog } from './act-dialog.tsx'
import { useWhoAndWhy, type WhoAndWhy, WhoAndWhyFields } from './who-and-why.tsx'

/** An act on a test: what it does, who and why. */
function TestDialog({
  title,
  verb,
  pending,
  act: begin,
  done,
  close,
  children,
}: {
  readonly title: string
  readonly verb: string
  readonly pending: string
  readonly act: (said: WhoAndWhy['said']) => Promise<Test>
  readonly done: (test: Test) => void
  readonly close: () => void
  readonly children: ReactNode
}) {
  const who = useWhoAndWhy()
  const queries = useQueryClient()
  const act = useMutation({
    mutationFn: () => begin(who.said),
    async onSuccess(test) {
      await queries.invalidateQueries({ queryKey: ['tests'] })
      done(test)
    },
  })
  return (
    <ActDialog title={title} act={act} close={close} verb={verb} pending={pending} ready={who.enough}>
      {children}
      <WhoAndWhyFields who={who} />
    </ActDialog>
  )
}

const MAX_ROWS = 16

export function RunTestDialog({
  name,
  text,
  close,
}: {
  readonly name: string | null
  readonly text: string
  readonly close: () => void
}) {
  const [scenario, setScenario] = useState(text)
  const [healer, setHealer] = useState(true)
  const id = useId()
  return (
    <TestDialog
      title={name === null ? 'Run a scenario' : `Run ${name}`}
      verb="Run"
      pending="Starting…"
      close={close}
      act={said => data(api.POST('/api/tests', { body: { scenario, healer, ...said } }))}
      done={test => go(at('tests', test.id))}
    >
      <p className="quiet">
        It starts brokers of its own on this machine, writes to them, breaks them as the scenario says, and
        ends them. The fleet is not touched; both share the machine.
      </p>
      <label htmlFor={id}>The scenario</label>
      <div className="editor">
        <textarea
          id={id}
          spellCheck={false}
          rows={Math.min(MAX_ROWS, scenario.split('\n').length + 1)}
          value={scenario}
          onChange={event => setScenario(event.target.value)}
        />
      </div>
      <label className="check">
        <input type="checkbox" checked={healer} onChange={event => setHealer(event.target.checked)} />
        The healer is at work, as in a fleet
      </label>
    </TestDialog>
  )
}

export function StopTestDialog({ test, close }: { readonly test: Test; readonly close: () => void }) {
  return (
    <TestDialog
      title={`Stop ${test.name}`}
      verb="Stop it"
      pending="Asking…"
      close={close}
      act={said => data(api.POST('/api/tests/{id}/stop', { params: { path: { id: test.id } }, body: said }))}
      done={close}
    >
      <p>What it has broken is undone, and its cluster ends. There will be no result.</p>
    </TestDialog>
  )
}
