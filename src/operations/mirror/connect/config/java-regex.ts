import { AjnaError } from '../../../../foundation/errors/errors.ts'
import { CONNECT_PATTERN_UNSUPPORTED } from '../errors.ts'

/**
 * Java's regular expressions over names, rewritten so that other engines read them alike.
 *
 * Names are made of few characters (of topics 65 different ones). A class, whatever it is written with (ranges, unions,
 * intersections, POSIX names, (?i)), is a set of them, and is written out as that set. What could mean something else
 * elsewhere is refused.
 */

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const DIGITS = '0123456789'

/** What names of a kind are made of. In the order of their codes, so that neighbours make ranges. */
export interface Alphabet {
  readonly characters: string
  /** For messages. */
  readonly of: string
}

export const topicAlphabet: Alphabet = {
  characters: `-.${DIGITS}${LETTERS.slice(0, 26)}_${LETTERS.slice(26)}`,
  of: 'topic',
}
/** Printable ASCII: a group may be called by other characters too, which only `.` and exclusions mean then. */
export const groupAlphabet: Alphabet = {
  characters: Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join(''),
  of: 'group',
}

type CharacterSet = ReadonlySet<string>

export type RegexNode =
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'any' }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'boundary'; readonly negated: boolean }
  | { readonly kind: 'group'; readonly options: readonly RegexSequence[] }
  | { readonly kind: 'look'; readonly opening: string; readonly options: readonly RegexSequence[] }

export interface RegexItem {
  readonly node: RegexNode
  /** Undefined: exactly once. `most` undefined: any number. */
  readonly times?: { readonly least: number; readonly most: number | undefined }
}
export type RegexSequence = readonly RegexItem[]

const MAX_REPETITIONS = 1_000
const REPEATABLE: ReadonlySet<RegexNode['kind']> = new Set(['set', 'any', 'group'])
const MAX_DEPTH = 50

/** `\p{…}`: POSIX names, Unicode categories and properties, as far as they tell ASCII characters apart. */
const PROPERTIES: Readonly<Record<string, RegExp>> = {
  Lower: /[a-z]/,
  Ll: /[a-z]/,
  IsLowercase: /[a-z]/,
  Upper: /[A-Z]/,
  Lu: /[A-Z]/,
  IsUppercase: /[A-Z]/,
  Alpha: /[A-Za-z]/,
  L: /[A-Za-z]/,
  IsL: /[A-Za-z]/,
  IsAlphabetic: /[A-Za-z]/,
  IsLetter: /[A-Za-z]/,
  Digit: /\d/,
  N: /\d/,
  Nd: /\d/,
  IsDigit: /\d/,
  Alnum: /[A-Za-z\d]/,
  Punct: /[!-/:-@[-`{-~]/,
  XDigit: /[\dA-Fa-f]/,
  Graph: /[!-~]/,
  Print: /[ -~]/,
  ASCII: /[ -~]/,
  Space: / /,
  Blank: / /,
}
const CLASS_ESCAPES: Readonly<Record<string, RegExp>> = {
  d: /\d/,
  D: /\D/,
  w: /\w/,
  W: /\W/,
  s: / /,
  S: /[^ ]/,
}

const union = (a: CharacterSet, b: CharacterSet): CharacterSet => new Set([...a, ...b])
const intersection = (a: CharacterSet, b: CharacterSet): CharacterSet =>
  new Set([...a].filter(each => b.has(each)))
const NONE: CharacterSet = new Set()

/**
 * @returns the alternatives of the whole expression
 * @throws AjnaError CONNECT_PATTERN_UNSUPPORTED, saying what and where
 */
export function parseJavaRegex(text: string, alphabet: Alphabet = topicAlphabet): readonly RegexSequence[] {
  return new Parser(text, alphabet).whole()
}

/** An expression that must match the whole name; of topics valid with the flags `u` and `v` too. */
export function printRegex(options: readonly RegexSequence[], alphabet: Alphabet = topicAlphabet): string {
  const printOptions = (each: readonly RegexSequence[]): string =>
    each.map(items => items.map(printItem).join('')).join('|')
  const printItem = ({ node, times }: RegexItem): string =>
    printNode(node) + (times === undefined ? '' : printTimes(times))
  const printNode = (node: RegexNode): string => {
    switch (node.kind) {
      case 'set':
        return printSet(node.set, alphabet)
      case 'any':
        return '.'
      case 'start':
        return '^'
      case 'end':
        return '$'
      case 'boundary':
        return node.negated ? '\\B' : '\\b'
      case 'group':
        return `(?:${printOptions(node.options)})`
      case 'look':
        return `${node.opening}${printOptions(node.options)})`
      default:
        return node satisfies never
    }
  }
  return printOptions(options)
}

function printTimes({ least, most }: NonNullable<RegexItem['times']>): string {
  if (most === undefined) return least === 0 ? '*' : least === 1 ? '+' : `{${least},}`
  if (least === 0 && most === 1) return '?'
  return least === most ? `{${least}}` : `{${least},${most}}`
}

function printSet(set: CharacterSet, { characters }: Alphabet): string {
  if (set.size === characters.length) return '.'
  const members = [...characters].filter(character => set.has(character))
  if (members.length === 1) return /[A-Za-z0-9_-]/.test(members[0]!) ? members[0]! : `\\${members[0]}`
  let body = ''
  for (let index = 0; index < members.length; ) {
    let last = index
    while (last + 1 < members.length && isNext(members[last]!, members[last + 1]!)) last++
    const [from, to] = [members[index]!, members[last]!]
    body +=
      last - index >= 2
        ? `${from}-${to}`
        : members
            .slice(index, last + 1)
            .map(inClass)
            .join('')
    index = last + 1
  }
  return `[${body}]`
}

const inClass = (character: string): string =>
  /[A-Za-z0-9._]/.test(character) ? character : `\\${character}`

const isNext = (a: string, b: string): boolean =>
  /[A-Za-z0-9]/.test(a) && b.charCodeAt(0) === a.charCodeAt(0) + 1 && /[A-Za-z0-9]/.test(b)

class Parser {
  readonly #text: string
  #at = 0
  #depth = 0
  #ignoreCase = false

  readonly #alphabet: Alphabet
  readonly #all: CharacterSet

  constructor(text: string, alphabet: Alphabet) {
    this.#text = text
    this.#alphabet = alphabet
    this.#all = new Set(alphabet.characters)
  }

  whole(): readonly RegexSequence[] {
    const options = this.#options()
    if (this.#at < this.#text.length) throw this.#problem('a ")" that closes nothing')
    return options
  }

  #options(): RegexSequence[] {
    if (++this.#depth > MAX_DEPTH) throw this.#problem('groups nested too deeply')
    // A flag switched on inside a group holds to the group's end.
    const outer = this.#ignoreCase
    const options = [this.#sequence()]
    while (this.#take('|')) options.push(this.#sequence())
    this.#ignoreCase = outer
    this.#depth--
    return options
  }

  #sequence(): RegexSequence {
    const items: RegexItem[] = []
    while (this.#at < this.#text.length && !this.#sees('|') && !this.#sees(')')) {
      const nodes = this.#atoms()
      items.push(...nodes.map(node => ({ node })))
      const times = this.#times()
      if (times === undefined) continue
      const last = nodes.at(-1)
      if (last === undefined || !REPEATABLE.has(last.kind)) throw this.#problem('a repetition of nothing')
      items[items.length - 1] = { node: last, times }
    }
    return items
  }

  #times(): RegexItem['times'] {
    const times = this.#take('*')
      ? { least: 0, most: undefined }
      : this.#take('+')
        ? { least: 1, most: undefined }
        : this.#take('?')
          ? { least: 0, most: 1 }
          : this.#braces()
    if (times === undefined) return undefined
    if (this.#take('+')) throw this.#problem('a possessive repetition, which other engines do not know')
    // A whole name is matched or not: how greedily makes no difference.
    this.#take('?')
    if (this.#sees('*') || this.#sees('+') || this.#sees('?'))
      throw this.#problem('a repetition of a repetition')
    return times
  }

  #braces(): RegexItem['times'] {
    if (!this.#sees('{')) return undefined
    const found = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(this.#text.slice(this.#at))
    if (found === null) throw this.#problem('a "{" that is no repetition; write \\{')
    const least = Number(found[1])
    const most = found[2] === undefined ? least : found[3] === undefined ? undefined : Number(found[3])
    if (most !== undefined && most < least) throw this.#problem('a repetition that ends before it begins')
    if (Math.max(least, most ?? 0) > MAX_REPETITIONS)
      throw this.#problem(`more than ${MAX_REPETITIONS} repetitions`)
    this.#at += found[0].length
    return { least, most }
  }

  /** Mostly one; `\Q…\E` gives one a character, flags and empty quotes none. */
  #atoms(): readonly RegexNode[] {
    const character = this.#next()
    switch (character) {
      case '.':
        return [{ kind: 'any' }]
      case '^':
        return [{ kind: 'start' }]
      case '$':
        return [{ kind: 'end' }]
      case '[':
        return [{ kind: 'set', set: this.#cased(this.#class()) }]
      case '(':
        return this.#group()
      case '\\':
        return this.#escape()
      case '*':
      case '+':
      case '?':
        throw this.#problem('a repetition of nothing')
      default:
        return [this.#literal(character)]
    }
  }

  #literal(character: string): RegexNode {
    if (!this.#all.has(character))
      throw this.#problem(`${JSON.stringify(character)}, which no ${this.#alphabet.of} name contains`)
    return { kind: 'set', set: this.#cased(new Set(character)) }
  }

  #cased(set: CharacterSet): CharacterSet {
    if (!this.#ignoreCase) return set
    return new Set([...set].flatMap(each => [each.toLowerCase(), each.toUpperCase()]))
  }

  #group(): readonly RegexNode[] {
    if (!this.#take('?')) return [this.#closed('group')]
    if (this.#take(':')) return [this.#closed('group')]
    for (const opening of ['=', '!', '<=', '<!'])
      if (this.#take(opening))
        return [{ kind: 'look', opening: `(?${opening}`, options: this.#optionsToClose() }]
    if (this.#take('>')) throw this.#problem('an atomic group, which other engines do not know')
    if (this.#take('<')) {
      if (!/^[A-Za-z][A-Za-z0-9]*>/.test(this.#text.slice(this.#at))) throw this.#problem('a malformed group')
      this.#at = this.#text.indexOf('>', this.#at) + 1
      return [this.#closed('group')]
    }
    return this.#flags()
  }

  #closed(kind: 'group'): RegexNode {
    return { kind, options: this.#optionsToClose() }
  }

  #optionsToClose(): RegexSequence[] {
    const options = this.#options()
    if (!this.#take(')')) throw this.#problem('a group that is not closed')
    return options
  }

  /** `i` is carried out; what tells only line ends or letters beyond ASCII apart makes no difference to topic names. */
  #flags(): readonly RegexNode[] {
    const found = /^([imsudU]*)(?:-([imsudU]*))?([):])/.exec(this.#text.slice(this.#at))
    if (found === null) throw this.#problem('a group of a kind that is not known')
    this.#at += found[0].length
    const before = this.#ignoreCase
    if (found[1]!.includes('i')) this.#ignoreCase = true
    if (found[2]?.includes('i')) this.#ignoreCase = false
    if (found[3] === ')') return []
    const group = this.#closed('group')
    this.#ignoreCase = before
    return [group]
  }

  #escape(): readonly RegexNode[] {
    const character = this.#next()
    if (character === 'Q') return this.#quoted()
    if (character === 'A') return [{ kind: 'start' }]
    if (character === 'z' || character === 'Z') return [{ kind: 'end' }]
    if (character === 'b' || character === 'B') return [{ kind: 'boundary', negated: character === 'B' }]
    const set = this.#escapedSet(character)
    if (set !== undefined) return [{ kind: 'set', set: this.#cased(set) }]
    if (/[1-9k]/.test(character)) throw this.#problem('a reference to a group')
    return [this.#literal(this.#escapedCharacter(character))]
  }

  #quoted(): readonly RegexNode[] {
    const end = this.#text.indexOf('\\E', this.#at)
    const quoted = this.#text.slice(this.#at, end === -1 ? undefined : end)
    const nodes = [...quoted].map(each => this.#literal(each))
    this.#at = end === -1 ? this.#text.length : end + 2
    return nodes
  }

  #escapedSet(character: string): CharacterSet | undefined {
    if (character !== 'p' && character !== 'P') {
      const expression = CLASS_ESCAPES[character]
      return expression === undefined ? undefined : this.#matching(expression)
    }
    const found = /^(?:\{([A-Za-z]{1,20})\}|([A-Z]))/.exec(this.#text.slice(this.#at))
    const property = Object.entries(PROPERTIES).find(([name]) => name === (found?.[1] ?? found?.[2]))?.[1]
    if (found === null || property === undefined)
      throw this.#problem(`a property of characters that is not known: \\${character}${found?.[0] ?? ''}`)
    this.#at += found[0].length
    const set = this.#matching(property)
    return character === 'p' ? set : this.#complement(set)
  }

  #escapedCharacter(character: string): string {
    if (character === 'x' || character === 'u') {
      const length = character === 'x' ? 2 : 4
      const code = this.#text.slice(this.#at, this.#at + length)
      if (!/^[0-9A-Fa-f]+$/.test(code) || code.length !== length)
        throw this.#problem(`a malformed \\${character}`)
      this.#at += length
      return String.fromCharCode(Number.parseInt(code, 16))
    }
    if (/[A-Za-z0-9]/.test(character)) throw this.#problem(`\\${character}`)
    return character
  }

  /** After `[`: to the `]` that closes it. */
  #class(): CharacterSet {
    if (++this.#depth > MAX_DEPTH) throw this.#problem('classes nested too deeply')
    const negated = this.#take('^')
    if (this.#sees(']')) throw this.#problem('an empty class; write \\] for the bracket itself')
    let set: CharacterSet = NONE
    let intersected: CharacterSet | undefined
    while (!this.#take(']')) {
      if (this.#at >= this.#text.length) throw this.#problem('a class that is not closed')
      if (this.#take('&&')) {
        // What a negation covers then differs between releases of Java.
        if (negated) throw this.#problem('a negated class with an intersection; write [^…] inside it')
        intersected = intersected === undefined ? set : intersection(intersected, set)
        set = NONE
      } else set = union(set, this.#classMember())
    }
    this.#depth--
    const whole = this.#cased(intersected === undefined ? set : intersection(intersected, set))
    return negated ? this.#complement(whole) : intersection(this.#all, whole)
  }

  #classMember(): CharacterSet {
    if (this.#take('[')) return this.#class()
    const from = this.#classCharacter()
    if (typeof from !== 'string') return from
    if (!this.#sees('-') || this.#sees('-]') || this.#sees('-[') || this.#sees('-&&')) return new Set(from)
    this.#take('-')
    const to = this.#classCharacter()
    if (typeof to !== 'string' || to < from) throw this.#problem('a range that ends before it begins')
    return new Set([...this.#all].filter(each => each >= from && each <= to))
  }

  #classCharacter(): string | CharacterSet {
    const character = this.#next()
    if (character !== '\\') return character
    const escaped = this.#next()
    if (escaped === 'Q') throw this.#problem('a quotation inside a class')
    return this.#escapedSet(escaped) ?? this.#escapedCharacter(escaped)
  }

  #matching(expression: RegExp): CharacterSet {
    return new Set([...this.#all].filter(each => expression.test(each)))
  }

  #complement(set: CharacterSet): CharacterSet {
    return new Set([...this.#all].filter(each => !set.has(each)))
  }

  #next(): string {
    const character = this.#text[this.#at]
    if (character === undefined) throw this.#problem('its end, where something must follow')
    this.#at++
    return character
  }

  #sees(text: string): boolean {
    return this.#text.startsWith(text, this.#at)
  }

  #take(text: string): boolean {
    if (!this.#sees(text)) return false
    this.#at += text.length
    return true
  }

  #problem(what: string): AjnaError {
    return new AjnaError(CONNECT_PATTERN_UNSUPPORTED, `at character ${this.#at + 1}: ${what}`)
  }
}
