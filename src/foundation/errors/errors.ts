/** Every error a person may meet has a stable code, its cause, and what to do. docs/ERRORS.md is generated from this table's entries. */

export interface ErrorKind {
  /** Stable, e.g. `SPEC_INVALID`. */
  readonly code: string
  /** What it means, one sentence. */
  readonly meaning: string
  /** What the reader should do about it. */
  readonly remedy: string
  /** The CLI's exit code for it. */
  readonly exit: ExitCode
}

/** 1 failed, 2 bad usage or invalid input, 3 refused as unsafe, 4 partly done. */
export type ExitCode = 1 | 2 | 3 | 4

const kinds = new Map<string, ErrorKind>()

/** Declares a kind of error; a room declares its own in its `errors.ts`. Codes are unique across the program. */
export function errorKind<const Code extends string>(
  code: Code,
  meaning: string,
  remedy: string,
  exit: ExitCode = 1,
): ErrorKind & { readonly code: Code } {
  if (kinds.has(code)) throw new Error(`error code ${code} is declared twice`)
  const kind = Object.freeze({ code, meaning, remedy, exit })
  kinds.set(code, kind)
  return kind
}

export function declaredErrorKinds(): readonly ErrorKind[] {
  return [...kinds.values()].sort((a, b) => a.code.localeCompare(b.code))
}

export interface AjnaErrorOptions {
  readonly cause?: unknown
  /** Facts a program may want: topic, partition, path, offsets. JSON-safe. */
  readonly details?: Readonly<Record<string, unknown>>
  /** Replaces the kind's general advice with one for this case. */
  readonly remedy?: string
}

export class AjnaError extends Error {
  readonly code: string
  readonly remedy: string
  readonly exit: ExitCode
  readonly details: Readonly<Record<string, unknown>>

  /** @param message what happened here, naming the thing it happened to */
  constructor(kind: ErrorKind, message: string, options: AjnaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AjnaError'
    this.code = kind.code
    this.remedy = options.remedy ?? kind.remedy
    this.exit = kind.exit
    this.details = Object.freeze({ ...options.details })
  }

  toJSON(): { code: string; message: string; remedy: string; details: Readonly<Record<string, unknown>> } {
    return { code: this.code, message: this.message, remedy: this.remedy, details: this.details }
  }
}

export function isAjnaError(error: unknown, ...codes: readonly (string | ErrorKind)[]): error is AjnaError {
  if (!(error instanceof AjnaError)) return false
  return (
    codes.length === 0 || codes.some(code => error.code === (typeof code === 'string' ? code : code.code))
  )
}

/** The message chain of an error, outermost first: what a log line or an incident shows. */
export function describeError(error: unknown): string {
  const parts: string[] = []
  for (let current = error, depth = 0; current !== undefined && current !== null && depth < 6; depth++) {
    const message = current instanceof Error ? current.message || current.name : String(current)
    // Many a message ends with its cause's.
    if (message !== '' && parts.at(-1)?.endsWith(message) !== true) parts.push(message)
    current = current instanceof Error ? current.cause : undefined
  }
  return parts.join(': ')
}
