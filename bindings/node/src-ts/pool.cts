// The pool: clients of many orgs by key, kept in JavaScript while the core holds them.
import { type InspectOptionsStylized, inspect } from 'node:util'
import { Client, POOL } from './client.cjs'
import { connectionsOption } from './connections.cjs'
import { isOrg, type OrgCredentials, toNativeCredentials } from './credentials.cjs'
import { type ErrorData, type ForcegrantError, makeError } from './errors.cjs'
import { eventSink, isWatched } from './event.cjs'
import { callSite, guarded } from './guard.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'
import { toNative } from './options.cjs'
import { type CallOptions, outcomeOf } from './pending.cjs'
import type { PoolOptions } from './pool-options.cjs'
import { type Status, toStatus } from './status.cjs'
import { Token } from './token.cjs'

/** The result of {@link ClientPool.prewarm}. */
export interface Prewarmed {
  /** How many keys have a usable token now. */
  readonly ready: number
  /** The keys whose login failed, and why. */
  readonly failed: ReadonlyMap<string, ForcegrantError>
}

/** A client, and when the core last said that it holds this one for its key, and marked it as used. */
interface Member {
  readonly client: Client
  readonly handle: Native.NativeClient
  checked: number
  /** How many clients had been evicted by then. */
  evictions: number
}

/** Milliseconds for which a client is used without asking the core. */
const CHECK_INTERVAL = 1_000
/** As in the core. */
const DEFAULT_MAX_CLIENTS = 10_000

/**
 * Access tokens of many orgs, each under a key of yours: a tenant, a connection id.
 *
 * Credentials come from {@link insert}, or from the option `credentialsCallback`; or with the option `connections` from a
 * folder, whose ids are the keys then. Each key has a client of its own,
 * so that one org's failures and delays are no other's; options and the pace of logins are shared.
 */
export class ClientPool {
  readonly #handle: Native.NativePool
  #isListening: boolean
  /** The clients used last, the latest at the end. */
  readonly #members = new Map<string, Member>()
  readonly #most: number
  /** How many clients may have been evicted: after each, the core is asked whether it still holds a client. */
  #evictions = 0
  readonly #fetch: typeof globalThis.fetch | undefined

  /** Checks the options; nothing is sent. Throws a ConfigurationError that names the option which is wrong. */
  constructor(options?: PoolOptions | null) {
    const given = toNative(options, 'pool')
    const { clock, credentials, store } = given
    const connections = connectionsOption(given.connections)
    this.#isListening = given.onEvent !== undefined || isWatched()
    const listener = this.#isListening ? eventSink(given.onEvent) : undefined
    this.#handle = guarded(
      () =>
        native().openPool(given.options, given.environment, connections, clock, listener, credentials, store),
      new.target,
    )
    this.#most = options?.maxClients ?? DEFAULT_MAX_CLIENTS
    this.#fetch = given.fetch
  }

  /** A valid token of this key: see `Client.token`. While it is kept in JavaScript, no native code is called. */
  token(key: string, options?: CallOptions | null): Promise<Token> {
    try {
      return this.#member(key).client.token(options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The key's cached token, or undefined; never waits and never asks Salesforce. */
  cached(key: string): Token | undefined {
    return this.has(key) ? this.#member(key).client.cached() : undefined
  }

  /** The client of a key, to use by itself. It goes on working when the pool lets go of it. */
  client(key: string): Client {
    return this.#member(key).client
  }

  /**
   * Gives the pool an org. For a key that it knows, this replaces the credentials: the cached token stays if they
   * are for the same login host, and for another host the key starts afresh. The same credentials again change
   * nothing. What was inserted is forgotten when the pool is full and the key was not used lately; where that may
   * happen, use `credentialsCallback`.
   */
  insert(key: string, org: OrgCredentials): void {
    const given = toNativeCredentials(checked(org, 'insert'))
    const evicts = this.#evicts(text(key))
    guarded(() => this.#native.insert(key, given), ClientPool.prototype.insert)
    if (evicts) this.#evictions += 1
    this.#members.delete(key)
  }

  /** The same for a key that the pool knows; a `ConfigurationError` with the code `unknown_key` for another. */
  setCredentials(key: string, org: OrgCredentials): void {
    const given = toNativeCredentials(checked(org, 'setCredentials'))
    guarded(() => this.#native.setCredentials(text(key), given), ClientPool.prototype.setCredentials)
    this.#members.delete(key)
  }

  /** Forgets a key, its credentials and its token. True if the pool knew it. */
  remove(key: string): boolean {
    this.#members.delete(key)
    return this.#native.remove(text(key))
  }

  /** Whether the pool knows a key now. */
  has(key: string): boolean {
    return this.#native.has(text(key))
  }

  /** How many clients the pool holds. */
  get size(): number {
    return this.#handle.size()
  }

  /** Reports that Salesforce rejected a key's token: see `Client.invalidate`. */
  invalidate(key: string, token: Token | string): boolean {
    if (!(token instanceof Token) && typeof token !== 'string') {
      throw new TypeError('invalidate takes a key, and a Token or the text of one')
    }
    return this.has(key) && this.#member(key).client.invalidate(token)
  }

  /** The state of the client of a key; undefined for a key that the pool does not know. */
  status(key: string): Status | undefined {
    const status = this.#native.status(text(key))
    return status === null ? undefined : toStatus(status)
  }

  /** The states of all clients. */
  statuses(): Map<string, Status> {
    return new Map(this.#native.statuses().map(([key, status]) => [key, toStatus(status)]))
  }

  /**
   * Logs in for every key that has no usable token, behind the logins that callers wait for, and waits until all
   * are done.
   */
  async prewarm(keys: Iterable<string>, options?: CallOptions | null): Promise<Prewarmed> {
    if (typeof keys === 'string') throw new TypeError('prewarm takes an iterable of keys')
    const all = Array.from(keys, text)
    const start = () => {
      const started = this.#native.startPrewarm(all)
      if (this.size >= this.#most) this.#evictions += 1
      return started
    }
    const { result } = await outcomeOf(start, options, callSite(ClientPool.prototype.prewarm))
    const { ready = 0, failed = [] } = (result ?? {}) as { ready?: number; failed?: [string, ErrorData][] }
    return Object.freeze({ ready, failed: new Map(failed.map(([key, error]) => [key, makeError(error)])) })
  }

  /** Waits until no login is in flight. */
  async waitIdle(options?: CallOptions | null): Promise<void> {
    const site = callSite(ClientPool.prototype.waitIdle)
    await outcomeOf(() => this.#native.startWaitIdle(), options, site)
  }

  /** @internal */
  [inspect.custom](_depth: number, options: InspectOptionsStylized): string {
    return `ClientPool ${inspect({ size: this.size, maxClients: this.#most }, options)}`
  }

  #member(key: string): Member {
    const member = this.#members.get(key)
    if (member !== undefined) {
      const now = Date.now()
      const { checked, evictions } = member
      if (now >= checked && now < checked + CHECK_INTERVAL && evictions === this.#evictions) return member
      if (this.#native.holds(key, member.handle)) {
        member.checked = now
        member.evictions = this.#evictions
        this.#remember(key, member)
        return member
      }
    }
    return this.#add(key)
  }

  #add(key: string): Member {
    const evicts = this.#evicts(text(key))
    let handle: Native.NativeClient
    try {
      handle = guarded(() => this.#native.client(key), this.#add)
    } catch (error) {
      this.#members.delete(key)
      throw error
    }
    if (evicts) this.#evictions += 1
    const client = new Client({ client: handle, fetch: this.#fetch }, POOL)
    // Not checked yet: the next use marks it, as the core does.
    const member = { client, handle, checked: 0, evictions: 0 }
    this.#remember(key, member)
    return member
  }

  /** Whether a client is evicted when this key is added. */
  #evicts(key: string): boolean {
    return this.size >= this.#most && !this.has(key)
  }

  /** Puts a member at the end; when there are too many, the one at the front goes. */
  #remember(key: string, member: Member): void {
    this.#members.delete(key)
    this.#members.set(key, member)
    if (this.#members.size <= this.#most) return
    for (const [oldest] of this.#members) {
      this.#members.delete(oldest)
      return
    }
  }

  /** The way into the core; on it, subscribers are noticed that came after the pool was made. */
  get #native(): Native.NativePool {
    if (!this.#isListening && isWatched()) {
      this.#isListening = true
      this.#handle.listen(eventSink(undefined))
    }
    return this.#handle
  }
}

function text(key: unknown): string {
  if (typeof key !== 'string') throw new TypeError('a key is a string')
  return key
}

function checked(org: unknown, name: string): OrgCredentials {
  if (!isOrg(org)) throw new TypeError(`${name} takes a key and { loginUrl, clientId, clientSecret, next? }`)
  return org
}
