import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import { describePath, describeValue, type Finding, invalid, type Path, type Problem } from './problem.ts'

/** A file larger than this is refused before it is parsed, bytes. */
export const MAX_CONFIG_BYTES = 4 * 1024 * 1024

/** Aliases are followed at most this often, so that a small file cannot stand for an enormous one. */
const MAX_ALIASES = 100

const MAX_SYNTAX_FAULTS = 20

/** A YAML text, as a value and as places. */
export interface Source {
  readonly value: unknown
  locate(finding: Finding): Problem
}

/** @throws AjnaError CONFIG_INVALID when it is not one well-formed YAML 1.2 document whose keys are texts */
export function parseSource(text: string, file: string): Source {
  const lines = new LineCounter()
  const fault = (found: string, allowed: string, offset = 0): Problem => ({
    file,
    ...position(lines, offset),
    path: '',
    found,
    allowed,
  })
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_CONFIG_BYTES) {
    throw invalid(file, [fault(`${bytes} bytes or more`, `at most ${MAX_CONFIG_BYTES} bytes`)])
  }
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
  })
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    throw invalid(
      file,
      // The first ones say it: what follows a fault of syntax mostly follows from it.
      faults
        .slice(0, MAX_SYNTAX_FAULTS)
        .map(each => fault(firstLine(each.message), allowedSyntax(each.code), each.pos[0])),
      faults.length,
    )
  }
  if (document.contents === null) throw invalid(file, [fault('nothing', 'a YAML document')])
  const misused = misusedKeys(document)
  if (misused.length > 0) {
    throw invalid(
      file,
      misused.slice(0, MAX_SYNTAX_FAULTS).map(({ found, allowed, offset }) => fault(found, allowed, offset)),
      misused.length,
    )
  }
  return { value: toValue(document, fault), locate: finding => locate(document, lines, file, finding) }

  function toValue(parsed: Document.Parsed, problem: (found: string, allowed: string) => Problem): unknown {
    try {
      return parsed.toJS({ maxAliasCount: MAX_ALIASES })
    } catch (error) {
      const allowed = `aliases of anchors that exist, followed at most ${MAX_ALIASES} times`
      throw invalid(file, [problem(firstLine((error as Error).message), allowed)])
    }
  }
}

const allowedSyntax = (code: string): string =>
  code === 'MULTIPLE_DOCS'
    ? 'one YAML document'
    : code === 'NON_STRING_KEY'
      ? 'texts as keys'
      : 'well-formed YAML 1.2'

interface MisusedKey {
  readonly found: string
  readonly allowed: string
  readonly offset: number
}

/**
 * Keys that stand twice in one map (the library's own check compares each with each), and keys that would change an
 * object's prototype, were it ever copied carelessly.
 */
function misusedKeys(document: Document.Parsed): MisusedKey[] {
  const misused: MisusedKey[] = []
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>()
      for (const { key } of map.items) {
        if (!isScalar(key)) continue
        const offset = key.range?.[0] ?? 0
        const name = JSON.stringify(key.value)
        if (key.value === '__proto__')
          misused.push({ found: `the key ${name}`, allowed: 'any other key', offset })
        if (seen.has(key.value))
          misused.push({ found: `the key ${name} a second time`, allowed: 'each key once', offset })
        seen.add(key.value)
      }
    },
  })
  return misused
}

function locate(document: Document.Parsed, lines: LineCounter, file: string, finding: Finding): Problem {
  const { offset, node } = find(document, finding.path, finding.atKey === true)
  const standing = node === undefined ? undefined : node.toJS(document)
  const key = JSON.stringify(finding.path.at(-1))
  return {
    file,
    ...position(lines, offset),
    path: describePath(finding.path),
    found: finding.found ?? (finding.atKey === true ? key : describeValue(standing)),
    allowed: finding.allowed,
  }
}

/** The value at a path and where it begins (or its key does); for a path that leads nowhere, the last place on it. */
function find(document: Document.Parsed, path: Path, atKey: boolean): { offset: number; node?: Node } {
  let node: Node | undefined = document.contents ?? undefined
  let offset = node?.range?.[0] ?? 0
  for (const [depth, part] of path.entries()) {
    const last = depth === path.length - 1
    const inside: Node | undefined = isAlias(node) ? node.resolve(document) : node
    const pair = isMap(inside)
      ? inside.items.find(item => isScalar(item.key) && String(item.key.value) === String(part))
      : undefined
    const child = (
      pair === undefined ? (isSeq(inside) ? inside.items[Number(part)] : undefined) : pair.value
    ) as Node | null | undefined
    const keyOffset = pair === undefined ? undefined : (pair.key as Node).range?.[0]
    if (pair === undefined && child === undefined) return { offset }
    const empty = child === null || child === undefined || child.range?.[0] === child.range?.[1]
    offset = (last && !atKey && !empty ? child.range?.[0] : (keyOffset ?? child?.range?.[0])) ?? offset
    if (child === null || child === undefined) return { offset }
    node = child
  }
  return node === undefined ? { offset } : { offset, node }
}

function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!
