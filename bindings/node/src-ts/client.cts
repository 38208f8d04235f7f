import { type InspectOptionsStylized, inspect } from 'node:util'
import { type ApiResponse, type ApiUsage, header, LIMIT_INFO } from './classification.cjs'
import { type ClientCredentials, isClientCredentials } from './credentials.cjs'
import { callSite, guarded, lost } from './defect.cjs'
import { type ErrorData, type ForcegrantError, makeError } from './errors.cjs'
import { isWatched, outlet } from './event.cjs'
import { fetchWith } from './fetch.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'
import { type ClientOptions, type EnvOptions, toNative } from './options.cjs'
import { type Route, Routes } from './routes.cjs'
import { type Expiry, Token } from './token.cjs'

/** What the calls that may wait can be told. */
export interface CallOptions {
  /** Ends this call's waiting, and no other's: the promise rejects with the signal's reason. */
  signal?: AbortSignal | null | undefined
}

/** Where a client stands. */
export interface Status {
  /** `empty`: no token; `fresh`; `refresh_due`: being refreshed; `stale`: past its estimated end; `backing_off`: a failure still holds. */
  readonly state: 'empty' | 'fresh' | 'refresh_due' | 'stale' | 'backing_off'
  /** Whether a token request is under way. */
  readonly inFlight: boolean
  /** When the token at hand ends. */
  readonly expiry: Expiry | undefined
  /** When the token will be refreshed in the background. */
  readonly refreshAt: Date | undefined
  /** 16 hexadecimal digits of the token at hand; safe to log. */
  readonly fingerprint: string | undefined
  /** How many tokens this client has been given. */
  readonly logins: number
  /** How many token requests failed. */
  readonly failures: number
  /** The last failure, kept until a request succeeds. */
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

/** What {@link Client.verify} found. */
export interface Verified {
  /** The token that was tried. */
  readonly token: Token
  /** The 18-character id of the org. */
  readonly orgId: string | undefined
  /** The 18-character id of the user that the app runs as. */
  readonly userId: string | undefined
  /** The daily API calls of the org, when Salesforce said so. */
  readonly apiUsage: { readonly used: number; readonly limit: number } | undefined
  /** The host that the credentials went to. */
  readonly loginHost: string
}

/** One wait at the native side, shared by every caller that came while it was up. */
interface Flight {
  readonly id: number
  readonly outcome: Promise<Landed>
  waiters: number
}

interface Landed {
  readonly token?: Token
  readonly error?: ErrorData | undefined
}

const ENVIRONMENT = Symbol('environment')

/** @internal The source of a client that a pool holds. */
export const POOL = Symbol('pool')

/** @internal What a pool makes a client over. */
export interface OfPool {
  handle: Native.NativeClient
  fetch: typeof globalThis.fetch | undefined
}

/**
 * Access tokens of one org for one app.
 *
 * A client keeps its token, so make one and share it. It holds nothing that keeps the process alive: only a
 * call that waits does.
 */
export class Client {
  readonly #handle: Native.NativeClient
  /** Whether the events of the core come here already. */
  #listening: boolean
  #token: Token | undefined
  /** While `#from <= Date.now() < #until` the core has said that the token may be handed out unasked. */
  #from = 0
  #until = 0
  /** The native side's number for what `#token` was made of, so that it is not sent again. */
  #lease = 0
  #flight: Flight | undefined
  readonly #fetch: typeof globalThis.fetch | undefined
  readonly #routes = new Routes((token, pathOrUrl) => this.#route(token, pathOrUrl))
  /** What the last answer told about the limits, until somebody wants to know. */
  /** Whether a token was refused of late: then a host that accepts one matters. */
  #countsRenewals = false
  #limitInfo: string | undefined
  /** Changes with each `reset` and eviction: what a flight brings from before is not kept. */
  #epoch = 0

  /** Checks the options; nothing is sent. Throws a ConfigurationError that names the option which is wrong. */
  constructor(options: ClientOptions)
  /** @internal */
  constructor(options: EnvOptions | null | undefined, source: typeof ENVIRONMENT)
  /** @internal */
  constructor(options: OfPool, source: typeof POOL)
  constructor(
    options: ClientOptions | EnvOptions | OfPool | null | undefined,
    source?: typeof ENVIRONMENT | typeof POOL,
  ) {
    if (source === POOL) {
      const member = options as OfPool
      this.#handle = member.handle
      this.#fetch = member.fetch
      // The pool has the events.
      this.#listening = true
      return
    }
    const fromEnv = source === ENVIRONMENT
    const given = toNative(options, fromEnv)
    // Refers to the host, once it is known, and not to the client, which could never be collected then.
    const told = outlet(given.onEvent, () => host)
    let host = ''
    this.#listening = given.onEvent !== undefined || isWatched()
    const listener = this.#listening ? told : undefined
    const opened = guarded(
      () => native().open(given.options, fromEnv, given.clock, listener, given.credentials, given.store),
      new.target,
    )
    if (opened.error !== undefined) throw makeError(opened.error, callSite(new.target))
    if (opened.client === undefined) throw lost(callSite(new.target))
    this.#handle = opened.client
    this.#fetch = given.fetch
    host = opened.client.loginHost()
  }

  /**
   * A client for what `process.env` names now: `SALESFORCE_LOGIN_URL`, `SALESFORCE_CLIENT_ID` and
   * `SALESFORCE_CLIENT_SECRET`, or their aliases. A file that `SALESFORCE_CLIENT_SECRET_FILE` names is read again when it
   * changes; the variables are not.
   */
  static fromEnv(options?: EnvOptions | null): Client {
    return new Client(options, ENVIRONMENT)
  }

  /**
   * A token that works: the kept one, or a new one when there is none. However many calls wait, one
   * request is made for them all.
   */
  async token(options?: CallOptions | null): Promise<Token> {
    const token = this.#token
    if (token !== undefined && options === undefined) {
      const now = Date.now()
      if (now >= this.#from && now < this.#until) return token
    }
    return this.#ask(options?.signal ?? undefined)
  }

  /** The token at hand, or undefined; never waits and never asks Salesforce. */
  cached(): Token | undefined {
    const now = Date.now()
    if (now >= this.#from && now < this.#until) return this.#token
    const lease = this.#call((native) => native.cached(this.#lease), Client.prototype.cached)
    return lease === null ? undefined : this.#keep(lease)
  }

  /**
   * Tells that Salesforce turned a token down, so that the next call gets another one.
   *
   * @returns true if that very token was the current one; false if it had been replaced already
   */
  invalidate(token: Token | string): boolean {
    const text = token instanceof Token ? token.accessToken : token
    if (typeof text !== 'string') throw new TypeError('invalidate takes a Token or the text of one')
    const evicted = this.#call((native) => native.invalidate(text), Client.prototype.invalidate)
    if (evicted) this.#forget()
    return evicted
  }

  /**
   * Calls an API as the global `fetch` does, with the token.
   *
   * A path goes to the token's instance. The token goes only where {@link isAllowedFor} says, and to no other origin by
   * a redirect. When the answer says that the session is dead, the token is dropped and the request sent once more
   * with a new one, to the instance where that one belongs; but not after a 403, and not when the body is a stream:
   * that is a `ReplayError`. A new token that is refused too ends in a `TokenRejectedError`. A request that brings an
   * `Authorization` header of its own is sent as it is. The option `callAttempts` repeats what a busy service
   * answers with 503 or 429.
   */
  fetch(pathOrUrl: string | URL | Request, init?: RequestInit | null): Promise<Response> {
    const send = this.#fetch ?? globalThis.fetch
    return fetchWith({ client: this, send }, pathOrUrl, init)
  }

  /**
   * Whether a token may be sent to a URL: only over https, to the origin of its instance or API instance, or to a
   * host that the option `trustedHosts` names.
   */
  isAllowedFor(token: Token, url: string | URL): boolean {
    const { instanceUrl, apiInstanceUrl } = token
    return this.#call(
      (native) => native.isAllowedFor(instanceUrl, apiInstanceUrl, String(url)),
      Client.prototype.isAllowedFor,
    )
  }

  /** The org's API requests in the last 24 hours, as the last answer to this client told them. */
  limits(): ApiUsage | undefined {
    this.#noteLimitInfo()
    const usage = this.#handle.limits()
    return usage === null ? undefined : Object.freeze(usage)
  }

  /** @internal The token, while the core has said that it may be handed out unasked: for what can not wait. */
  kept(): Token | undefined {
    const now = Date.now()
    return now >= this.#from && now < this.#until ? this.#token : undefined
  }

  /** @internal Where a call with this token goes, and whether the token goes along. */
  route(token: Token, pathOrUrl: string): Route {
    return this.#routes.of(token, pathOrUrl)
  }

  /** @internal The core's part of one call of an API. */
  apiCall(method: string, repeatsWhenBusy: boolean): Native.NativeApiCall {
    return this.#native.apiCall(method, repeatsWhenBusy)
  }

  /** @internal What comes next after the response to a request to this URL that carried a token. */
  handleResponse(
    call: Native.NativeApiCall,
    token: Token,
    url: string,
    replayable: boolean,
    { status, headers, body }: ApiResponse,
  ): Native.NativeAction {
    const { accessToken } = token
    const response: Native.NativeCallResponse = { accessToken, url, replayable, status }
    const retryAfter = header(headers, 'retry-after')
    const limitInfo = header(headers, LIMIT_INFO)
    if (retryAfter !== undefined) response.retryAfter = retryAfter
    if (limitInfo !== undefined) response.limitInfo = limitInfo
    if (body !== undefined && body !== null)
      response.body = typeof body === 'string' ? Buffer.from(body) : body
    this.#noteLimitInfo()
    const action = call.handleResponse(response)
    this.#countsRenewals = action.countsRenewals
    if (action.gone && this.#token?.accessToken === accessToken) this.#forget()
    return action
  }

  /** @internal A host accepted a token, which matters while renewals are counted. */
  noteAccepted(url: string, call?: Native.NativeApiCall): void {
    if (!this.#countsRenewals) return
    this.#countsRenewals = call === undefined ? this.#handle.noteAccepted(url) : call.noteServed(url)
  }

  /** @internal For what calls APIs in this client's name. */
  noteLimitInfo(header: string): void {
    this.#limitInfo = header
  }

  /** Where the client stands; for logs and health checks. */
  status(): Status {
    const status = this.#call((native) => native.status(), Client.prototype.status)
    return toStatus(status)
  }

  /** Gets a new token and makes one harmless API call with it: for start-up checks. */
  async verify(options?: CallOptions | null): Promise<Verified> {
    const signal = options?.signal ?? undefined
    signal?.throwIfAborted()
    const site = callSite(Client.prototype.verify)
    const wait = this.#call((native) => native.startVerify(), Client.prototype.verify)
    const outcome = await unlessAborted(wait.outcome, signal, () => this.#native.cancel(wait.id))
    if (outcome.error !== undefined) throw makeError(outcome.error, site)
    const { lease, apiUsage } = outcome
    if (lease === undefined) throw lost(site)
    const token = this.#keep(lease)
    const { orgId, userId } = token
    const { loginHost } = this
    return Object.freeze({ token, orgId, userId, apiUsage: apiUsage && Object.freeze(apiUsage), loginHost })
  }

  /** Waits until no token request is up. */
  async waitIdle(options?: CallOptions | null): Promise<void> {
    const signal = options?.signal ?? undefined
    signal?.throwIfAborted()
    const site = callSite(Client.prototype.waitIdle)
    const wait = this.#call((native) => native.startIdle(), Client.prototype.waitIdle)
    const outcome = await unlessAborted(wait.outcome, signal, () => this.#native.cancel(wait.id))
    if (outcome.error !== undefined) throw makeError(outcome.error, site)
  }

  /** Forgets the token and every failure. */
  reset(): void {
    this.#call((native) => native.reset(), Client.prototype.reset)
    this.#forget()
  }

  /**
   * Uses other credentials from the next login on; `next` is a second pair that is live as well. The token at
   * hand goes on serving.
   */
  setCredentials(current: ClientCredentials, next?: ClientCredentials | null): void {
    for (const pair of next === undefined || next === null ? [current] : [current, next]) {
      if (!isClientCredentials(pair)) throw new TypeError('setCredentials takes { clientId, clientSecret }')
    }
    const error = this.#call(
      (native) => native.setCredentials(current, next),
      Client.prototype.setCredentials,
    )
    if (error !== null) throw makeError(error, callSite(Client.prototype.setCredentials))
    // Who comes now asks the core, which knows whether a failure still counts.
    this.#flight = undefined
  }

  /**
   * Drops the token at hand if it was issued to client credentials that are not in use any more: after
   * a leak, say. Salesforce is not told: to end the session there, revoke it in the org.
   *
   * @returns whether it was dropped
   */
  invalidateIfRotated(): boolean {
    const dropped = this.#call((native) => native.invalidateIfRotated(), Client.prototype.invalidateIfRotated)
    if (dropped) this.#forget()
    return dropped
  }

  /** The host that the credentials go to. */
  get loginHost(): string {
    return this.#handle.loginHost()
  }

  /** @internal */
  [inspect.custom](_depth: number, options: InspectOptionsStylized): string {
    const { loginHost, state, fingerprint } = this.status()
    return `Client ${inspect({ loginHost, state, fingerprint }, options)}`
  }

  #route({ instanceUrl, apiInstanceUrl }: Token, pathOrUrl: string): Route {
    const { url, carries, error } = this.#handle.route(instanceUrl, apiInstanceUrl, pathOrUrl)
    if (url === undefined) throw error === undefined ? lost(callSite(this.route)) : makeError(error)
    return { url, carries }
  }

  /** Here and not with each answer: most are never asked for. */
  #noteLimitInfo(): void {
    if (this.#limitInfo === undefined) return
    this.#handle.noteLimitInfo(this.#limitInfo)
    this.#limitInfo = undefined
  }

  /** The way into the core; on it, subscribers are noticed that came after the client was made. */
  get #native(): Native.NativeClient {
    if (!this.#listening && isWatched()) {
      this.#listening = true
      const { loginHost } = this
      this.#handle.listen(outlet(undefined, () => loginHost))
    }
    return this.#handle
  }

  #call<T>(use: (native: Native.NativeClient) => T, entry: unknown): T {
    return guarded(() => use(this.#native), entry)
  }

  async #ask(signal: AbortSignal | undefined): Promise<Token> {
    signal?.throwIfAborted()
    let flight = this.#flight
    if (flight === undefined) {
      const now = Date.now()
      if (this.#token !== undefined && now >= this.#from && now < this.#until) return this.#token
      const started = this.#call((native) => native.start(this.#lease), Client.prototype.token)
      if (started.lease !== undefined) return this.#keep(started.lease)
      if (started.error !== undefined) throw makeError(started.error, callSite(Client.prototype.token))
      if (started.wait === undefined) throw lost(callSite(Client.prototype.token))
      flight = this.#follow(started.wait)
    }
    const up = flight
    // Taken now, while the caller is on the stack: the error is made in a turn of the loop that has none.
    const site = callSite(Client.prototype.token)
    up.waiters += 1
    const landed = await unlessAborted(up.outcome, signal, () => this.#leave(up))
    if (landed.token === undefined) throw landed.error ? makeError(landed.error, site) : lost(site)
    return landed.token
  }

  #follow(wait: Native.NativeWait): Flight {
    const epoch = this.#epoch
    const outcome = wait.outcome.then(({ lease, error }): Landed => {
      if (this.#flight === flight) this.#flight = undefined
      if (lease === undefined) return { error: error }
      return { token: epoch === this.#epoch ? this.#keep(lease) : this.#tokenOf(lease) }
    })
    const flight: Flight = { id: wait.id, outcome, waiters: 0 }
    this.#flight = flight
    return flight
  }

  /** One caller gave up. When it was the last, nothing here may keep the process alive any more. */
  #leave(flight: Flight): void {
    flight.waiters -= 1
    if (flight.waiters > 0) return
    if (this.#flight === flight) this.#flight = undefined
    this.#native.cancel(flight.id)
  }

  #keep(lease: Native.NativeCachedToken): Token {
    const token = this.#tokenOf(lease)
    this.#token = token
    this.#lease = lease.id
    this.#from = lease.from
    this.#until = lease.until
    return token
  }

  /** The token object of a lease: the same one as long as the lease is the same. */
  #tokenOf(lease: Native.NativeCachedToken): Token {
    if (lease.id === this.#lease && this.#token !== undefined) return this.#token
    if (lease.token === undefined) throw lost(callSite(this.#tokenOf))
    return new Token(lease.token)
  }

  #forget(): void {
    this.#epoch += 1
    this.#token = undefined
    this.#lease = this.#from = this.#until = 0
    // Who waits goes on waiting; who comes now asks the core, which knows whether that request still counts.
    this.#flight = undefined
  }
}

/**
 * The promise, or a rejection with the signal's reason as soon as it is aborted; either way the signal is
 * left without our listener.
 *
 * @internal
 */
export function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  leave: () => void,
): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = () => {
      reject(signal.reason)
      leave()
    }
    const off = () => signal.removeEventListener('abort', abort)
    signal.addEventListener('abort', abort, { once: true })
    promise.then(
      (value) => {
        off()
        resolve(value)
      },
      (error) => {
        off()
        reject(error)
      },
    )
  })
}

/** @internal */
export function toStatus(status: Native.NativeStatus): Status {
  return Object.freeze({
    state: status.state,
    inFlight: status.inFlight,
    expiry: status.expiry && Object.freeze({ ...status.expiry, at: new Date(status.expiry.at) }),
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
  }) as Status
}

function date(milliseconds: number | undefined): Date | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds)
}
