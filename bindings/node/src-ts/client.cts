// The client: its token, kept in JavaScript for as long as the core says, and the way into the native part.
import { type InspectOptionsStylized, inspect } from 'node:util'
import { ClientCalls } from './calls.cjs'
import { type ApiUsage, toApiUsage } from './classification.cjs'
import { type Connection, nativeConnection } from './connection.cjs'
import { type Connections, connectionsOption } from './connections.cjs'
import { type ClientCredentials, isClientCredentials, toNativeCredentials } from './credentials.cjs'
import { type ErrorData, makeError } from './errors.cjs'
import { eventSink, isWatched } from './event.cjs'
import { fetchWith } from './fetch.cjs'
import { callSite, guarded, nativeFailure } from './guard.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'
import {
  type ClientOptions,
  type CommonOptions,
  type EnvOptions,
  type SourceName,
  toNative,
} from './options.cjs'
import { type CallOptions, outcomeOf, unlessAborted } from './pending.cjs'
import { type Status, toStatus } from './status.cjs'
import { Token, type TokenData } from './token.cjs'

/** What {@link Client.verify} found. */
export interface Verified {
  /** The token that was tried. */
  readonly token: Token
  /** The 18-character id of the org. */
  readonly orgId: string | undefined
  /** The 18-character id of the user that the app runs as. */
  readonly userId: string | undefined
  /** The daily API calls of the org, if Salesforce reported them. */
  readonly apiUsage: { readonly used: number; readonly limit: number } | undefined
  /** The host that the credentials went to. */
  readonly loginHost: string
}

/** The options of `Client.fromConnection`: all but those that the connection brings. */
export interface ConnectionOptions extends CommonOptions {
  /** The folder in which the connection is saved. Default: that of `new Connections()`. */
  connections?: Connections | null | undefined
}

/** One promise of the native part, shared by all callers that came while it was pending. */
interface SharedWait {
  readonly subscription: Native.NativeSubscription
  readonly outcome: Promise<{ token: Token | undefined; error: object | undefined }>
  callers: number
}

/** Where the credentials of a client come from that are not among its options. */
class Origin {
  constructor(
    readonly name: SourceName,
    readonly open: (environment: Record<string, string>, connections: unknown) => Native.NativeSource,
  ) {}
}

const ENVIRONMENT = new Origin('environment', (environment) => native().environmentSource(environment))

/** @internal The source of a client that a pool holds. */
export const POOL = Symbol('pool')

/** @internal What a pool makes a client of. */
export interface OfPool {
  client: Native.NativeClient
  fetch: typeof globalThis.fetch | undefined
}

/**
 * Access tokens of one org for one app.
 *
 * A client caches its token, so make one and share it. It does not keep the process alive: only a call that waits does.
 */
export class Client {
  readonly #handle: Native.NativeClient
  /** Whether the events of the core come here already. */
  #isListening: boolean
  #token: Token | undefined
  /** While `#from <= Date.now() < #until` the token may be handed out without asking the core. */
  #from = 0
  #until = 0
  /** The native part's number of `#token`, so that it is not sent again. */
  #id = 0
  #wait: SharedWait | undefined
  readonly #fetch: typeof globalThis.fetch | undefined
  #calls: ClientCalls | undefined

  /** Checks the options; nothing is sent. Throws a ConfigurationError that names the option which is wrong. */
  constructor(options: ClientOptions)
  /** @internal */
  constructor(options: ConnectionOptions | null | undefined, source: Origin)
  /** @internal */
  constructor(options: OfPool, source: typeof POOL)
  constructor(
    options: ClientOptions | ConnectionOptions | OfPool | null | undefined,
    source?: Origin | typeof POOL,
  ) {
    if (source === POOL) {
      const { client, fetch } = options as OfPool
      this.#handle = client
      this.#fetch = fetch
      // The pool has the events.
      this.#isListening = true
      return
    }
    const given = toNative(options, source?.name ?? 'options')
    this.#isListening = given.onEvent !== undefined || isWatched()
    const listener = this.#isListening ? eventSink(given.onEvent) : undefined
    const { environment, clock, credentials, store } = given
    this.#handle = guarded(
      () => {
        const opened = source?.open(environment, given.connections)
        return native().open(given.options, opened, environment, clock, listener, credentials, store)
      },
      new.target,
    )
    this.#fetch = given.fetch
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
   * A client of a saved connection, by its id; none of the environment's credentials is read. Its file is read now, again
   * when it changes, and when a login is refused. For the same login host the token stays; for another the client starts
   * afresh. When the connection is removed, the token at hand serves on, and the next login fails with
   * `unknown_connection`. A `Connection` itself is taken as it is, and not read again.
   *
   * Throws a ConfigurationError: `unknown_connection`, which names the nearest ids, or `connection_unreadable`.
   */
  static fromConnection(connection: string | Connection, options?: ConnectionOptions | null): Client {
    const value = nativeConnection(connection)
    if (value === undefined && typeof connection !== 'string') {
      throw new TypeError('fromConnection takes the id of a connection, or a Connection')
    }
    const open = (environment: Record<string, string>, given: unknown) => {
      const connections = connectionsOption(given)
      if (value === undefined) {
        return (connections ?? native().openConnections(undefined, environment)).source(String(connection))
      }
      if (connections === undefined) return value.source(environment)
      throw new TypeError('fromConnection takes an id and the folder, or a Connection alone')
    }
    return new Client(options, new Origin('connection', open))
  }

  /**
   * A valid token: the cached one, or a new one if there is none. However many calls wait, there is one login for
   * all of them.
   */
  async token(options?: CallOptions | null): Promise<Token> {
    const token = this.#token
    if (token !== undefined && options === undefined) {
      const now = Date.now()
      if (now >= this.#from && now < this.#until) return token
    }
    return this.#ask(options?.signal ?? undefined)
  }

  /** The cached token, or undefined; never waits and never asks Salesforce. */
  cached(): Token | undefined {
    const now = Date.now()
    if (now >= this.#from && now < this.#until) return this.#token
    const cached = this.#call((native) => native.cached(this.#id), Client.prototype.cached)
    return cached === null ? undefined : this.#keep(cached)
  }

  /**
   * Reports that Salesforce rejected a token, so that the next call gets another one.
   *
   * @returns true if it was the current token; false if it had been replaced already
   */
  invalidate(token: Token | string): boolean {
    const text = token instanceof Token ? token.accessToken : token
    if (typeof text !== 'string') throw new TypeError('invalidate takes a Token or the text of one')
    const isDropped = this.#call((native) => native.invalidate(text), Client.prototype.invalidate)
    if (isDropped) this.#forget()
    return isDropped
  }

  /**
   * Calls an API as the global `fetch` does, with the token.
   *
   * A path goes to the token's instance. The token goes only where {@link isAllowedFor} says, and to no other origin by
   * a redirect. When the response says that the session has expired, the token is dropped and the request sent once more
   * with a new one, to the instance of that token; but not after a 403, and not when the body is a stream:
   * that is a `ReplayError`. A new token that is refused too ends in a `TokenRejectedError`. A request that brings an
   * `Authorization` header of its own is sent as it is. The option `callAttempts` repeats calls that a busy
   * service refuses with 503 or 429.
   */
  fetch(pathOrUrl: string | URL | Request, init?: RequestInit | null): Promise<Response> {
    return fetchWith(this.calls, this.#fetch ?? globalThis.fetch, pathOrUrl, init)
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

  /** The org's API requests in the last 24 hours, as the last response to this client told them. */
  limits(): ApiUsage | undefined {
    return this.calls.limits()
  }

  /** @internal The token, while the core has said that it may be handed out without asking again. */
  kept(): Token | undefined {
    const now = Date.now()
    return now >= this.#from && now < this.#until ? this.#token : undefined
  }

  /** @internal What its API calls share. */
  get calls(): ClientCalls {
    this.#calls ??= new ClientCalls(
      { kept: () => this.kept(), token: (options) => this.token(options), recheck: () => this.#recheck() },
      () => this.#native,
    )
    return this.#calls
  }

  /** The state of the client; for logs and health checks. */
  status(): Status {
    return toStatus(this.#call((native) => native.status(), Client.prototype.status))
  }

  /** Gets a new token and makes one harmless API call with it: for start-up checks. */
  async verify(options?: CallOptions | null): Promise<Verified> {
    const site = callSite(Client.prototype.verify)
    const start = () => this.#call((native) => native.startVerify(), Client.prototype.verify)
    const { cached, result } = await outcomeOf(start, options, site)
    if (cached === undefined) throw nativeFailure(site)
    const token = this.#keep(cached)
    const { orgId, userId } = token
    const apiUsage = result === undefined ? undefined : toApiUsage(result as ApiUsage)
    return Object.freeze({ token, orgId, userId, apiUsage, loginHost: this.loginHost })
  }

  /** Waits until no login is in flight. */
  async waitIdle(options?: CallOptions | null): Promise<void> {
    const start = () => this.#call((native) => native.startWaitIdle(), Client.prototype.waitIdle)
    await outcomeOf(start, options, callSite(Client.prototype.waitIdle))
  }

  /** Forgets the token and every failure. */
  reset(): void {
    this.#call((native) => native.reset(), Client.prototype.reset)
    this.#forget()
    this.#wait = undefined
  }

  /**
   * Uses other credentials from the next login on; `next` is valid as well. The cached
   * token stays in use.
   */
  setCredentials(current: ClientCredentials, next?: ClientCredentials | null): void {
    for (const pair of next === undefined || next === null ? [current] : [current, next]) {
      if (!isClientCredentials(pair)) throw new TypeError('setCredentials takes { clientId, clientSecret }')
    }
    const credentials = toNativeCredentials({ ...current, next })
    this.#call((native) => native.setCredentials(credentials), Client.prototype.setCredentials)
    // Later callers ask the core, which knows whether a failure still counts.
    this.#wait = undefined
  }

  /**
   * Drops the cached token if it was issued to client credentials that are retired: after a leak, say. Salesforce is not
   * told: to end the session there, revoke it in the org.
   *
   * @returns whether it was dropped
   */
  invalidateIfRotated(): boolean {
    const isDropped = this.#call(
      (native) => native.invalidateIfRotated(),
      Client.prototype.invalidateIfRotated,
    )
    if (isDropped) this.#forget()
    return isDropped
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

  /** The way into the core; on it, subscribers are noticed that came after the client was made. */
  get #native(): Native.NativeClient {
    if (!this.#isListening && isWatched()) {
      this.#isListening = true
      this.#handle.listen(eventSink(undefined))
    }
    return this.#handle
  }

  #call<T>(use: (native: Native.NativeClient) => T, entry: unknown): T {
    return guarded(() => use(this.#native), entry)
  }

  async #ask(signal: AbortSignal | undefined): Promise<Token> {
    signal?.throwIfAborted()
    let wait = this.#wait
    if (wait === undefined) {
      const kept = this.kept()
      if (kept !== undefined) return kept
      const started = this.#call((native) => native.start(this.#id), Client.prototype.token)
      if (started.cached !== undefined) return this.#keep(started.cached)
      if (started.pending === undefined) throw nativeFailure(callSite(Client.prototype.token))
      wait = this.#share(started.pending)
    }
    const shared = wait
    // Made now, while the caller is on the stack: later there is no frame of theirs.
    const site = callSite(Client.prototype.token)
    shared.callers += 1
    const { token, error } = await unlessAborted(shared.outcome, signal, () => this.#leave(shared))
    if (token !== undefined) return token
    throw error === undefined ? nativeFailure(site) : makeError(error as ErrorData, site)
  }

  #share({ outcome, subscription }: Native.NativePending): SharedWait {
    const shared: SharedWait = {
      subscription,
      callers: 0,
      outcome: outcome.then(({ cached, error }) => {
        if (this.#wait === shared) this.#wait = undefined
        return { token: cached && this.#keep(cached), error }
      }),
    }
    this.#wait = shared
    return shared
  }

  /** One caller gave up. After the last one, nothing here may keep the process alive. */
  #leave(shared: SharedWait): void {
    shared.callers -= 1
    if (shared.callers > 0) return
    if (this.#wait === shared) this.#wait = undefined
    shared.subscription.cancel()
  }

  /** Keeps one object for as long as the token is the same. */
  #keep({ id, from, until, token }: Native.NativeCachedToken): Token {
    if (id !== this.#id || this.#token === undefined) {
      this.#token = new Token(token as TokenData)
      this.#id = id
    }
    this.#from = from
    this.#until = until
    return this.#token
  }

  /** The next caller asks the core. */
  #recheck(): void {
    this.#from = this.#until = 0
  }

  #forget(): void {
    this.#recheck()
    this.#token = undefined
    this.#id = 0
  }
}
