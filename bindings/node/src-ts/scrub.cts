/** What of a token is looked for. */
interface Secret {
  readonly accessToken: string
}

/** What stands in place of a token. */
const REDACTED = '[redacted]'
/** Errors refer to others, and to what they were made of; no deeper than this. */
const DEPTH = 8

/**
 * Leaves a property of a library's object to be read and written, but not to be printed, logged or serialised.
 *
 * @internal
 */
export function conceal(holder: object, name: string): void {
  let held: unknown = (holder as Record<string, unknown>)[name]
  Object.defineProperty(holder, name, {
    get: () => held,
    set: (value: unknown) => {
      held = value
    },
    enumerable: false,
    configurable: true,
  })
}

/**
 * Takes a token out of the texts of an error that a library made, and of those beneath it: some libraries put the headers
 * of a request there.
 *
 * @internal
 */
export function scrub<T>(error: T, secret: Secret, depth = DEPTH): T {
  if (typeof error !== 'object' || error === null || depth === 0) return error
  for (const name of Object.getOwnPropertyNames(error)) {
    const property = Object.getOwnPropertyDescriptor(error, name)
    // A stack is an accessor in some runtimes.
    const value = name === 'stack' ? (error as { stack?: unknown }).stack : property?.value
    if (typeof value === 'string') redact(error, name, value, secret)
    else if (name === 'cause' || Array.isArray(error) || Array.isArray(value)) scrub(value, secret, depth - 1)
  }
  return error
}

/** Where requests of `node:http`, and of what is built on it, lead to others. */
const WAYS = new Set(['_currentRequest', '_redirectable', '_writableState', 'req', 'res', 'socket'])
/** Where they keep what was sent, as text. */
const PLACES = new Set([
  '_header',
  '_pendingData',
  'buffered',
  'headers',
  'kOutHeaders',
  'outputData',
  '_options',
])

/**
 * Takes a token out of requests that are over, such as the one that an error holds.
 *
 * @internal
 */
export function sweep(value: unknown, secret: Secret): void {
  visit(value, secret, new Set(), true)
}

function visit(value: unknown, secret: Secret, seen: Set<object>, isWhole: boolean): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  // The request of `fetch` shows its headers by methods only.
  if (value instanceof Request) value.headers.delete('authorization')
  for (const key of Reflect.ownKeys(value)) {
    const name = typeof key === 'symbol' ? (key.description ?? '') : key
    const isPlace = isWhole || PLACES.has(name)
    if (!isPlace && !WAYS.has(name)) continue
    const held: unknown = Object.getOwnPropertyDescriptor(value, key)?.value
    if (typeof held === 'string') redact(value, key, held, secret)
    else visit(held, secret, seen, isPlace && isPlain(held))
  }
}

/** An object or a list that holds values, and is nothing more. */
function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return true
  const prototype = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined
  return prototype === null || prototype === Object.prototype
}

function redact(holder: object, key: PropertyKey, text: string, { accessToken }: Secret): void {
  if (!text.includes(accessToken)) return
  const { enumerable = false } = Object.getOwnPropertyDescriptor(holder, key) ?? {}
  const value = text.split(accessToken).join(REDACTED)
  // What cannot be changed stays: an error must not hide another.
  Reflect.defineProperty(holder, key, { value, enumerable, writable: true, configurable: true })
}
