import diagnostics from 'node:diagnostics_channel'
import { type ForcegrantError, makeError } from './errors.cjs'
import type * as Native from './native.cjs'
import type { Expiry } from './token.cjs'

/**
 * Something that happened in a client, for logs and metrics. Times are in milliseconds; tokens appear by
 * their fingerprints only. Later versions may have further names.
 */
export type ClientEvent = Happening & {
  /** The key of the client in its pool; absent for a client by itself. */
  readonly key?: string
  /** The event as numbers, for metrics; not enumerable. docs/metrics.md lists the instruments. */
  readonly measurements: readonly Measurement[]
}

/** One number about one event. */
export interface Measurement {
  /** The instrument, such as `forcegrant.logins`. */
  readonly name: string
  /** `counter`: a sum that only grows; `histogram`: a distribution. */
  readonly kind: 'counter' | 'histogram'
  /** In UCUM's notation: `s`, or `{login}` and the like for counts. */
  readonly unit: string
  /** How much: added to a counter, recorded in a histogram. */
  readonly value: number
  /** Keys and values from small fixed sets: error codes and expiry sources. */
  readonly attributes: Readonly<Record<string, string>>
}

/** What happened. */
export type Happening =
  /** A login starts. In the `background` nobody waits for it: a usable token is served meanwhile. */
  | { readonly name: 'login_started'; readonly background: boolean }
  /** One attempt of a login failed, and another follows after a pause. */
  | {
      readonly name: 'login_retried'
      readonly error: ForcegrantError
      readonly attempts: number
      readonly pause: number
    }
  /** A login brought a token. */
  | {
      readonly name: 'login_succeeded'
      readonly fingerprint: string
      readonly expiry: Expiry
      /** What was left of the token's life when it arrived. */
      readonly lifetime: number
      readonly attempts: number
      readonly took: number
    }
  /** Another client's login brought a token that serves here too (option `store`). */
  | {
      readonly name: 'token_adopted'
      readonly fingerprint: string
      readonly expiry: Expiry
      /** What was left of the token's life when it was found. */
      readonly lifetime: number
    }
  /** The store failed or was late: logins go ahead without it for `error.retryAfter`. */
  | { readonly name: 'store_failed'; readonly error: ForcegrantError }
  /** A login failed for good. */
  | {
      readonly name: 'login_failed'
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
  | { readonly name: 'refresh_due'; readonly fingerprint: string }
  /** The estimated end of the token has passed and refreshing it fails; it is served all the same. */
  | { readonly name: 'serving_stale'; readonly fingerprint: string }
  /** Introspection told nothing; the end of the token is estimated instead. */
  | { readonly name: 'introspection_failed'; readonly error: ForcegrantError }
  /** Of the logins that `loginBudget` allows within an hour, three fifths are used up. */
  | { readonly name: 'login_budget_warning'; readonly used: number; readonly stop: number }
  /** A login succeeded with other client credentials than the one before. */
  | { readonly name: 'credentials_rotated'; readonly clientId: string; readonly fingerprint: string }
  /** The source of the credentials could not be read again; those at hand are used. */
  | { readonly name: 'credentials_reload_failed'; readonly error: ForcegrantError }

/** What the option `onEvent` takes. */
export type EventListener = (event: ClientEvent) => void

/** What subscribers of the diagnostics channel {@link EVENT_CHANNEL} receive. */
export interface EventMessage {
  /** The host that the client's credentials go to. */
  readonly loginHost: string
  /** What happened. */
  readonly event: ClientEvent
}

/**
 * The name of the channel of `node:diagnostics_channel` on which the events of all clients of this thread are
 * published while it has subscribers. A client that was made before the first of them subscribed notices them
 * at its next call into the core: a token that is in use is looked at again within a second.
 */
export const EVENT_CHANNEL = 'forcegrant:event'

const channel = diagnostics.channel(EVENT_CHANNEL)

/** @internal */
export function isWatched(): boolean {
  return channel.hasSubscribers
}

/** @internal What an event reaches: the listener, which harms nothing but itself when it throws, and the channel. */
export function outlet(
  listener: EventListener | undefined,
  loginHost: () => string,
): (event: Native.NativeEvent) => void {
  return (data) => {
    const event = toEvent(data)
    try {
      listener?.(event)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error))
    }
    // The channel looks after subscribers that throw.
    if (!channel.hasSubscribers) return
    channel.publish(Object.freeze({ loginHost: data.loginHost ?? loginHost(), event }))
  }
}

function toEvent({ error, expiry, measurements, loginHost: _, ...rest }: Native.NativeEvent): ClientEvent {
  const event = {
    ...rest,
    ...(error && { error: makeError(error) }),
    ...(expiry && { expiry: Object.freeze({ ...expiry, at: new Date(expiry.at) }) }),
  }
  for (const measured of measurements) Object.freeze(Object.freeze(measured).attributes)
  // Not enumerable: a log of the event needs no second form of it.
  Object.defineProperty(event, 'measurements', { value: Object.freeze(measurements) })
  return Object.freeze(event) as ClientEvent
}
