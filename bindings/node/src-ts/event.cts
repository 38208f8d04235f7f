// Events: what users see of them, and their way from the native part to listeners.
import diagnostics from 'node:diagnostics_channel'
import { type ErrorData, type ForcegrantError, makeError } from './errors.cjs'
import { type Expiry, type ExpiryData, toExpiry } from './token.cjs'

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
  /** A login returned a token. */
  | {
      readonly name: 'login_succeeded'
      readonly fingerprint: string
      readonly expiry: Expiry
      /** What was left of the token's life when it arrived. */
      readonly lifetime: number
      readonly attempts: number
      readonly took: number
    }
  /** Another client's login returned a token that is used here too (option `store`). */
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
  /** The signature of the response does not match the client secret; the token is used all the same. */
  | { readonly name: 'signature_mismatch'; readonly fingerprint: string }
  /** A refresh of the token is due; the token is served meanwhile. */
  | { readonly name: 'refresh_due'; readonly fingerprint: string }
  /** The estimated end of the token has passed and refreshing it fails; it is served all the same. */
  | { readonly name: 'serving_stale'; readonly fingerprint: string }
  /** Introspection failed; the end of the token is estimated instead. */
  | { readonly name: 'introspection_failed'; readonly error: ForcegrantError }
  /** Of the logins that `loginBudget` allows within an hour, three fifths are used up. */
  | { readonly name: 'login_budget_warning'; readonly used: number; readonly stop: number }
  /** A login succeeded with other client credentials than the one before. */
  | { readonly name: 'credentials_rotated'; readonly clientId: string; readonly fingerprint: string }
  /** The source of the credentials could not be read again; the last ones are used. */
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

interface EventData {
  readonly name: string
  readonly error?: ErrorData
  readonly expiry?: ExpiryData
  readonly loginHost: string
  readonly measurements: readonly Measurement[]
}

/** @internal Takes the events of the native part to the listener and the channel. */
export function eventSink(listener: EventListener | undefined): (event: object) => void {
  return (given) => {
    const { loginHost, ...data } = given as EventData
    const event = toEvent(data)
    try {
      listener?.(event)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error))
    }
    // The channel catches what its subscribers throw.
    if (channel.hasSubscribers) channel.publish(Object.freeze({ loginHost, event }))
  }
}

/** The native part sorts properties by name; logs show these in a better order. */
function toEvent({
  name,
  error,
  expiry,
  measurements: given,
  ...rest
}: Omit<EventData, 'loginHost'>): ClientEvent {
  const event = {
    name,
    ...rest,
    ...(error && { error: makeError(error) }),
    ...(expiry && { expiry: toExpiry(expiry) }),
  }
  const measurements = given.map(({ name, kind, unit, value, attributes }) =>
    Object.freeze({ name, kind, unit, value, attributes: Object.freeze(attributes) }),
  )
  // Not enumerable: a log of the event needs no second form of it.
  Object.defineProperty(event, 'measurements', { value: Object.freeze(measurements) })
  return Object.freeze(event) as ClientEvent
}
