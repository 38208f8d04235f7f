import { type InspectOptionsStylized, inspect } from 'node:util'
import { type CallOptions, Client, POOL, type Status, toStatus, unlessAborted } from './client.cjs'
import { callSite, guarded, lost } from './defect.cjs'
import { type ForcegrantError, makeError } from './errors.cjs'
import { isWatched, outlet } from './event.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'
import { isOrg, type OrgCredentials, type PoolOptions, toNativeOrg, toNativePool } from './pool-options.cjs'
import { Token } from './token.cjs'

/** What {@link ClientPool.prewarm} came to. */
export interface Prewarmed {
  /** How many keys have a usable token now. */
  readonly ready: number
  /** The keys whose login failed, and why. */
  readonly failed: ReadonlyMap<string, ForcegrantError>
}

/** A client at hand, and when the core last said that it is the one it holds for its key, and marked it as used. */
interface Member {
  readonly client: Client
  readonly handle: Native.NativeClient
  checked: number
  /** How many clients had made room by then. */
  evictions: number
}

/** How long a client is used without asking the core, in milliseconds. */
const TRUSTED = 1_000

/**
 * Access tokens of many orgs, each under a key of yours: a tenant, a connection id.
 *
 * Credentials come from {@link insert} or from the option `credentialsCallback`. Each key has a client of its own,
 * so that one org's failures and delays are no other's; options and the pace of logins are shared.
 */
export class ClientPool {
  readonly #handle: Native.NativePool
  #listening: boolean
  /** The clients used last, the latest at the end. */
  readonly #members = new Map<string, Member>()
  readonly #most: number
  /** How often a client had to make room, at most: what the core holds and has marked is known no more then. */
  #evictions = 0
  readonly #fetch: typeof globalThis.fetch | undefined

  /** Checks the options; nothing is sent. Throws a ConfigurationError that names the option which is wrong. */
  constructor(options?: PoolOptions | null) {
    const given = toNativePool(options)
    this.#listening = given.onEvent !== undefined || isWatched()
    const listener = this.#listening ? outlet(given.onEvent, () => '') : undefined
    const opened = guarded(
      () =>
        native().openPool(given.options, given.own, given.clock, listener, given.credentials, given.store),
      new.target,
    )
    if (opened.error !== undefined) throw makeError(opened.error, callSite(new.target))
    if (opened.pool === undefined) throw lost(callSite(new.target))
    this.#handle = opened.pool
    this.#most = given.most
    this.#fetch = given.fetch
  }

  /** A token of this key that works: see `Client.token`. While it is kept, no native code is called. */
  token(key: string, options?: CallOptions | null): Promise<Token> {
    try {
      return this.#member(key).client.token(options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The key's token at hand, or undefined; never waits and never asks Salesforce. */
  cached(key: string): Token | undefined {
    return this.has(key) ? this.#member(key).client.cached() : undefined
  }

  /** The client of a key, to use by itself. It goes on working when the pool lets go of it. */
  client(key: string): Client {
    return this.#member(key).client
  }

  /**
   * Gives the pool an org. For a key that it knows, this replaces the credentials: the token at hand stays if they
   * are for the same login host, and for another host the key starts afresh. The same credentials again change
   * nothing. What was inserted is forgotten when the pool is full and the key was not used lately; where that may
   * happen, use `credentialsCallback`.
   */
  insert(key: string, org: OrgCredentials): void {
    const given = toNativeOrg(checked(org, 'insert'))
    const evicts = this.#mustMakeRoom(text(key))
    const error = this.#native.insert(key, given)
    if (evicts) this.#evictions += 1
    this.#settle(key, error, ClientPool.prototype.insert)
  }

  /** The same for a key that the pool knows; a `ConfigurationError` with the code `unknown_key` for another. */
  setCredentials(key: string, org: OrgCredentials): void {
    const error = this.#native.setCredentials(text(key), toNativeOrg(checked(org, 'setCredentials')))
    this.#settle(key, error, ClientPool.prototype.setCredentials)
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

  /** Tells that Salesforce turned a key's token down: see `Client.invalidate`. */
  invalidate(key: string, token: Token | string): boolean {
    if (!(token instanceof Token) && typeof token !== 'string') {
      throw new TypeError('invalidate takes a key, and a Token or the text of one')
    }
    return this.has(key) && this.#member(key).client.invalidate(token)
  }

  /** Where the client of a key stands; undefined for a key that the pool does not know. */
  status(key: string): Status | undefined {
    const status = this.#native.status(text(key))
    return status === null ? undefined : toStatus(status)
  }

  /** Where all clients stand. */
  statuses(): Map<string, Status> {
    return new Map(this.#native.statuses().map(({ key, status }) => [key, toStatus(status)]))
  }

  /**
   * Logs in for every key that has no usable token, behind the logins that callers wait for, and waits until all
   * are done.
   */
  async prewarm(keys: Iterable<string>, options?: CallOptions | null): Promise<Prewarmed> {
    if (typeof keys === 'string') throw new TypeError('prewarm takes an iterable of keys')
    const signal = options?.signal ?? undefined
    signal?.throwIfAborted()
    const all = Array.from(keys, text)
    const warmed = this.#native.prewarm(all)
    if (this.size >= this.#most) this.#evictions += 1
    const { ready, failed } = await unlessAborted(warmed, signal, () => {})
    return Object.freeze({ ready, failed: new Map(failed.map(({ key, error }) => [key, makeError(error)])) })
  }

  /** Waits until no token request is up. */
  async waitIdle(options?: CallOptions | null): Promise<void> {
    const signal = options?.signal ?? undefined
    signal?.throwIfAborted()
    await unlessAborted(this.#native.waitIdle(), signal, () => {})
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
      if (now >= checked && now < checked + TRUSTED && evictions === this.#evictions) return member
      if (this.#native.holds(key, member.handle)) {
        member.checked = now
        member.evictions = this.#evictions
        this.#remember(key, member)
        return member
      }
    }
    return this.#meet(key)
  }

  #meet(key: string): Member {
    const evicts = this.#mustMakeRoom(text(key))
    const opened = this.#native.client(key)
    if (opened.error !== undefined) {
      this.#members.delete(key)
      throw makeError(opened.error, callSite(this.#meet))
    }
    if (opened.client === undefined) throw lost(callSite(this.#meet))
    if (evicts) this.#evictions += 1
    const client = new Client({ handle: opened.client, fetch: this.#fetch }, POOL)
    // Not checked yet: the next use marks it, as the core does.
    const member = { client, handle: opened.client, checked: 0, evictions: 0 }
    this.#remember(key, member)
    return member
  }

  /** Whether a client has to go when this key comes. */
  #mustMakeRoom(key: string): boolean {
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

  #settle(key: string, error: Native.NativeError | null, entry: unknown): void {
    if (error !== null) throw makeError(error, callSite(entry))
    // Whoever comes next asks the core, which knows whether the client is another one now.
    this.#members.delete(key)
  }

  /** The way into the core; on it, subscribers are noticed that came after the pool was made. */
  get #native(): Native.NativePool {
    if (!this.#listening && isWatched()) {
      this.#listening = true
      this.#handle.listen(outlet(undefined, () => ''))
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
