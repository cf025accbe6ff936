import { AjnaError, describeError, type ExitCode } from '../../foundation/errors/errors.ts'

/** What a command prints: one document on standard output; progress and messages on standard error. */

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, bigintsAsNumbers, 2)}\n`)
}

export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

const bigintsAsNumbers = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? Number(value) : value

/** Prints an error for people and answers the exit code for it. */
export function reportError(error: unknown): ExitCode {
  if (error instanceof AjnaError) {
    say(`error ${error.code}: ${describeError(error)}`)
    say(`  what to do: ${error.remedy}`)
    return error.exit
  }
  say(`error UNEXPECTED: ${describeError(error)}`)
  say('  what to do: this is a defect in ajna; report it with the trace below')
  if (error instanceof Error && error.stack !== undefined) say(error.stack)
  return 1
}
