// The state of a client, for logs and health checks.
import { type ErrorData, type ForcegrantError, makeError } from './errors.cjs'
import { type Expiry, type ExpiryData, toExpiry } from './token.cjs'

/** The state of a client. */
export interface Status {
  /** `empty`: no token; `fresh`; `refresh_due`: being refreshed; `stale`: past its estimated end; `backing_off`: a failure still holds. */
  readonly state: 'empty' | 'fresh' | 'refresh_due' | 'stale' | 'backing_off'
  /** Whether a login is in flight. */
  readonly inFlight: boolean
  /** When the cached token ends. */
  readonly expiry: Expiry | undefined
  /** When the token will be refreshed in the background. */
  readonly refreshAt: Date | undefined
  /** 16 hexadecimal digits that stand for the cached token; safe to log. */
  readonly fingerprint: string | undefined
  /** How many tokens this client has been given. */
  readonly logins: number
  /** How many logins failed. */
  readonly failures: number
  /** The last failure, kept until a login succeeds. */
  readonly lastError: ForcegrantError | undefined
  /** When that was. */
  readonly lastFailureAt: Date | undefined
  /** Until when calls fail at once with `lastError`. */
  readonly backingOffUntil: Date | undefined
  /** How old, in milliseconds, the last token was that was reported as rejected. */
  readonly lastRejectedAge: number | undefined
  /** The lifetime, in milliseconds, that rejections taught, while it is in force. */
  readonly learnedLifetime: number | undefined
  /** The host that the credentials go to. */
  readonly loginHost: string
}

/** As the native part sends it. */
interface StatusData
  extends Omit<Status, 'expiry' | 'refreshAt' | 'lastError' | 'lastFailureAt' | 'backingOffUntil'> {
  readonly expiry?: ExpiryData
  readonly refreshAt?: number
  readonly lastError?: ErrorData
  readonly lastFailureAt?: number
  readonly backingOffUntil?: number
}

/** @internal */
export function toStatus(data: object): Status {
  const status = data as StatusData
  return Object.freeze({
    state: status.state,
    inFlight: status.inFlight,
    expiry: status.expiry && toExpiry(status.expiry),
    refreshAt: date(status.refreshAt),
    fingerprint: status.fingerprint,
    logins: status.logins,
    failures: status.failures,
    lastError: status.lastError && makeError(status.lastError),
    lastFailureAt: date(status.lastFailureAt),
    backingOffUntil: date(status.backingOffUntil),
    lastRejectedAge: status.lastRejectedAge,
    learnedLifetime: status.learnedLifetime,
    loginHost: status.loginHost,
  })
}

function date(milliseconds: number | undefined): Date | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds)
}
