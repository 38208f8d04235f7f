// Waiting for promises of the native part, which an AbortSignal can end.
import { type ErrorData, makeError } from './errors.cjs'
import type * as Native from './native.cjs'

/** What the calls that may wait can be told. */
export interface CallOptions {
  /** Ends this call's waiting, and no other's: the promise rejects with the signal's reason. */
  signal?: AbortSignal | null | undefined
}

/**
 * The promise, or a rejection with the signal's reason as soon as it is aborted, which calls `leave`. Leaves no listener
 * on the signal.
 *
 * @internal
 */
export function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  leave: () => void,
): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const abort = () => {
      reject(signal.reason)
      leave()
    }
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** @internal Waits for so many milliseconds. */
export function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const slept = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  return unlessAborted(slept, signal, () => clearTimeout(timer))
}

/**
 * Starts what takes time, and waits for its outcome.
 *
 * @internal
 * @param site where the caller came in, for the stack of an error
 */
export async function outcomeOf(
  start: () => Native.NativePending,
  options: CallOptions | null | undefined,
  site: Error,
): Promise<Native.NativeOutcome> {
  const signal = options?.signal ?? undefined
  signal?.throwIfAborted()
  const { outcome, subscription } = start()
  const ended = await unlessAborted(outcome, signal, () => subscription.cancel())
  if (ended.error !== undefined) throw makeError(ended.error as ErrorData, site)
  return ended
}
