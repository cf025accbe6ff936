/**
 * @peculiar/x509 wires itself with tsyringe, which refuses to load without the (never standardised) metadata functions
 * of Reflect. It keeps decorators' notes about constructors in them; these three are all it calls.
 */
interface MetadataFunctions {
  defineMetadata(key: unknown, value: unknown, target: object): void
  getOwnMetadata(key: unknown, target: object): unknown
  getMetadata(key: unknown, target: object): unknown
}

const notes = new WeakMap<object, Map<unknown, unknown>>()

const functions: MetadataFunctions = {
  defineMetadata(key, value, target) {
    let own = notes.get(target)
    if (own === undefined) notes.set(target, (own = new Map()))
    own.set(key, value)
  },
  getOwnMetadata: (key, target) => notes.get(target)?.get(key),
  getMetadata(key, target) {
    for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at))
      if (notes.get(at)?.has(key)) return notes.get(at)?.get(key)
    return undefined
  },
}

// Whoever brought the real polyfill keeps it.
if (!('getMetadata' in Reflect)) Object.assign(Reflect, functions)
