// Calls into the native part: what they throw becomes an error of this package.
import { type ErrorData, type ForcegrantError, makeError } from './errors.cjs'

/**
 * What a call into the native part returns. An error of the core becomes ours, with the frames of the caller of `entry`.
 * So does a panic, whose text is dropped, because it can contain a secret.
 *
 * @internal
 */
export function guarded<T>(call: () => T, entry: unknown): T {
  try {
    return call()
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string }
    if (code === 'forcegrant') throw makeError(JSON.parse(message) as ErrorData, callSite(entry))
    if (code === 'GenericFailure') throw nativeFailure(callSite(entry))
    throw error
  }
}

/** @internal The native part panicked. */
export function nativeFailure(site: Error): ForcegrantError {
  const help = 'This is a bug in forcegrant; please report it. The next call starts afresh.'
  const message = 'internal error: the native part of forcegrant panicked'
  return makeError({ code: 'internal', kind: 'internal', message, help, retryable: true }, site)
}

/** @internal An error that holds the frames of the caller of `entry`. */
export function callSite(entry: unknown): Error {
  const site = new Error()
  Error.captureStackTrace(site, entry as () => unknown)
  return site
}
