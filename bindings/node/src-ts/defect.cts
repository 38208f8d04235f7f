import { type ForcegrantError, makeError } from './errors.cjs'

/**
 * What a call into the native part returns. A panic in there becomes an error of ours; its text is dropped, as it can
 * hold whatever was being worked on.
 *
 * @internal
 */
export function guarded<T>(call: () => T, entry: unknown): T {
  try {
    return call()
  } catch (error) {
    if ((error as { code?: unknown }).code === 'GenericFailure') throw lost(callSite(entry))
    throw error
  }
}

/** @internal The native part broke its word. */
export function lost(site: Error): ForcegrantError {
  const message =
    'the native part of forcegrant gave no answer\n  This is a defect of forcegrant; please report it. The next call starts afresh.'
  return makeError({ code: 'internal', kind: 'internal', message, retryable: true }, site)
}

/** @internal An error that holds the frames of whoever called `entry`. */
export function callSite(entry: unknown): Error {
  const site = new Error()
  Error.captureStackTrace(site, entry as () => unknown)
  return site
}
