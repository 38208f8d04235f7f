// Takes tokens out of the objects of HTTP libraries.
import { ClientRequest } from 'node:http'

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
const WAYS = ['_currentRequest', '_redirectable', '_options', '_writableState', 'req', 'res', 'socket']
/** Where they keep what was sent, as text. */
const PLACES: PropertyKey[] = ['_header', '_pendingData', 'buffered', 'headers', 'outputData']
/** Another such place, known by the first request of `node:http` that was seen. */
let outHeaders: symbol | undefined

/**
 * Takes a token out of a request that is over, such as the one that an error holds, or the connection that it went by.
 *
 * @internal
 */
export function sweep(value: unknown, secret: Secret): void {
  if (outHeaders === undefined && value instanceof ClientRequest) {
    outHeaders = Object.getOwnPropertySymbols(value).find(({ description }) => description === 'kOutHeaders')
    if (outHeaders !== undefined) PLACES.push(outHeaders)
  }
  visit(value, secret, new Set())
}

function visit(value: unknown, secret: Secret, seen: Set<object>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  // The request of `fetch` shows its headers by methods only.
  if (value instanceof Request) value.headers.delete('authorization')
  for (const place of PLACES) clean(value, place, secret, 3)
  for (const way of WAYS) {
    if (Object.hasOwn(value, way)) visit((value as Record<string, unknown>)[way], secret, seen)
  }
}

/** Takes it out of a text, or of all texts in lists and plain objects. */
function clean(holder: object, key: PropertyKey, secret: Secret, depth: number): void {
  if (!Object.hasOwn(holder, key)) return
  const held = (holder as Record<PropertyKey, unknown>)[key]
  if (typeof held === 'string') redact(holder, key, held, secret)
  else if (typeof held === 'object' && held !== null && depth > 0 && !ArrayBuffer.isView(held)) {
    for (const inner of Object.keys(held)) clean(held, inner, secret, depth - 1)
  }
}

function redact(holder: object, key: PropertyKey, text: string, { accessToken }: Secret): void {
  const forms = [accessToken, encodeURIComponent(accessToken)].filter((form) => text.includes(form))
  if (forms.length === 0) return
  const { enumerable = false } = Object.getOwnPropertyDescriptor(holder, key) ?? {}
  const value = forms.reduce((rest, form) => rest.replaceAll(form, REDACTED), text)
  // What cannot be changed stays: an error must not hide another.
  Reflect.defineProperty(holder, key, { value, enumerable, writable: true, configurable: true })
}
