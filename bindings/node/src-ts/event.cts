import { type ForcegrantError, makeError } from './errors.cjs'
import type * as Native from './native.cjs'
import type { Expiry } from './token.cjs'

/**
 * Something that happened in a client, for logs and metrics. Times are in milliseconds; tokens appear by
 * their fingerprints only. Later versions may have further names.
 */
export type ClientEvent =
  /** A login starts. In the `background` nobody waits for it: a usable token is served meanwhile. */
  | { readonly name: 'mint_started'; readonly background: boolean }
  /** One attempt of a login failed, and another follows after a pause. */
  | {
      readonly name: 'mint_retried'
      readonly error: ForcegrantError
      readonly attempts: number
      readonly pause: number
    }
  /** A login brought a token. */
  | {
      readonly name: 'mint_succeeded'
      readonly fingerprint: string
      readonly expiry: Expiry
      readonly attempts: number
      readonly took: number
    }
  /** A login failed for good. */
  | {
      readonly name: 'mint_failed'
      readonly error: ForcegrantError
      readonly attempts: number
      readonly took: number
    }
  /** The current token was reported as rejected, `age` after it was asked for. */
  | { readonly name: 'invalidated'; readonly fingerprint: string; readonly age: number }
  /** A new login returned the very token that had been reported as rejected. */
  | { readonly name: 'same_token_returned'; readonly fingerprint: string }
  /** The signature of the answer does not fit the client secret; the token is used all the same. */
  | { readonly name: 'signature_mismatch'; readonly fingerprint: string }
  /** A refresh of the token is due; the token is served meanwhile. */
  | { readonly name: 'lease_aged'; readonly fingerprint: string }
  /** The estimated end of the token has passed and refreshing it fails; it is served all the same. */
  | { readonly name: 'lease_lapsed'; readonly fingerprint: string }
  /** Introspection told nothing; the end of the token is estimated instead. */
  | { readonly name: 'introspection_failed'; readonly error: ForcegrantError }
  /** Of the logins that `loginBudget` allows within an hour, three fifths are used up. */
  | { readonly name: 'login_budget_warning'; readonly used: number; readonly stop: number }
  /** A login succeeded with another key pair than the one before. */
  | { readonly name: 'credentials_rotated'; readonly clientId: string; readonly fingerprint: string }
  /** The source of the credentials could not be read again; those at hand are used. */
  | { readonly name: 'credentials_reload_failed'; readonly error: ForcegrantError }

/** What the option `onEvent` takes. */
export type EventListener = (event: ClientEvent) => void

/** @internal A listener that harms nothing but itself when it throws. */
export function guarded(listener: EventListener): (event: Native.NativeEvent) => void {
  return (data) => {
    try {
      listener(toEvent(data))
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  }
}

function toEvent({ error, expiry, ...rest }: Native.NativeEvent): ClientEvent {
  return Object.freeze({
    ...rest,
    ...(error && { error: makeError(error) }),
    ...(expiry && { expiry: Object.freeze({ ...expiry, at: new Date(expiry.at) }) }),
  }) as ClientEvent
}
