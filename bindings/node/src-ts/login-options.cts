// The options of one login, and what of them the native part cannot take as it is.
import { nativeClock, type TestClock } from './clock.cjs'
import { type ForcegrantError, makeError } from './errors.cjs'
import type { EventListener } from './event.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'

type Maybe<T> = T | null | undefined

/**
 * What concerns logins; where only a login is made, the other options of a client are ignored. Times are in milliseconds. An option that is `undefined` or `null` is as if it were missing (but
 * `proxy: null`, which says that there is none).
 */
export interface LoginOptions {
  /** Asks Salesforce after each login when the token ends, if the response did not say. */
  introspect?: Maybe<boolean>
  /** For that request. */
  introspectionTimeout?: Maybe<number>
  /** How many logins this process may make within an hour, for this org and client id; `'none'`: any number. */
  loginBudget?: Maybe<number | 'none'>
  /** How the client authenticates itself: in the form body, or by HTTP Basic. */
  authStyle?: Maybe<'body' | 'basic'>
  /** The whole token endpoint, for gateways and custom domains. Its host becomes trusted with the secret. */
  tokenUrl?: Maybe<string>
  /** Further hosts to trust; with a leading dot, everything below it. */
  trustedHosts?: Maybe<readonly string[]>
  /** Permits `http://` and IP addresses, for loopback addresses only. */
  allowHttpLoopback?: Maybe<boolean>
  /** Addresses for host names, instead of DNS: `{ 'acme.my.salesforce.com': '127.0.0.1:8443' }`. */
  resolve?: Maybe<Readonly<Record<string, string>>>
  /**
   * Which certificate authorities to trust: the platform's (the default) with those of the file that `NODE_EXTRA_CA_CERTS`
   * names, the bundled ones, or only those of a PEM file, by its path, or of a PEM text. Those of the platform and of a file
   * are read again when a server's issuer is unknown, once they are a minute old.
   */
  roots?: Maybe<'platform' | 'bundled' | (string & {})>
  /**
   * How logins and `verify` reach Salesforce: `'env'` (the default) reads `https_proxy`, `HTTPS_PROXY`, `all_proxy`,
   * `ALL_PROXY`, `no_proxy` and `NO_PROXY` of `process.env` when the client is made; a URL names the proxy
   * (`http://user:password@proxy.example:3128`, also `https`, `socks5`, `socks5h`); `null` or `'none'` goes without
   * one. `client.fetch` and the adapters send by libraries of your own, which have their own settings for a proxy.
   */
  proxy?: 'env' | 'none' | (string & {}) | null | undefined
  /** To connect, TLS included. */
  connectTimeout?: Maybe<number>
  /** For one try of the token request. */
  attemptTimeout?: Maybe<number>
  /** For all tries of one token request together. */
  totalTimeout?: Maybe<number>
  /** How many tries one token request has at most. */
  maxAttempts?: Maybe<number>
  /** The base of the pause between tries; it doubles, and is drawn at random below that. */
  retryBackoff?: Maybe<number>
  /** The longest `Retry-After` that is waited for. */
  retryAfterCap?: Maybe<number>
  /** A clock that stands still until it is moved: `TestClock` of `forcegrant/testing`. */
  clock?: Maybe<TestClock>
  /**
   * Called with what happens in the client, for logs and metrics: on the loop, soon after it happened. It
   * does not keep the process alive.
   */
  onEvent?: Maybe<EventListener>
}

/** @internal What of the options of a login crosses to the native part. */
export interface LoginArguments {
  options: Record<string, unknown>
  environment: Record<string, string>
  clock: Native.NativeTestClock | undefined
  onEvent: EventListener | undefined
}

/** @internal The same for a login that shares its token with nobody and makes no other call. */
export function loginAlone(given: unknown): LoginArguments {
  if (!isPlain(given)) return loginArguments(given)
  refuseCredentials(given, 'connection')
  const { fetch, store, storeTimeout, ...options } = given
  return loginArguments(options)
}

const CREDENTIALS = ['loginUrl', 'clientId', 'clientSecret', 'clientSecretFile']

/** @internal Refuses credentials that stand beside a source of them. */
export function refuseCredentials(given: unknown, source: 'environment' | 'connection'): void {
  if (!isPlain(given)) return
  const name = CREDENTIALS.find((name) => (given[name] ?? null) !== null)
  if (name !== undefined) throw invalid(`${name} comes from the ${source}`, 'To set it, use new Client.')
}

/** @internal Takes the listener and the clock out of the options. The native part checks the others. */
export function loginArguments(given: unknown): LoginArguments {
  if (given !== undefined && given !== null && !isPlain(given)) {
    throw invalid('the options are not an object', 'Give one object: { loginUrl, clientId, clientSecret }.')
  }
  const { clock, onEvent, ...options } = given ?? {}
  const found = clock === undefined || clock === null ? undefined : nativeClock(clock)
  if (found === undefined && clock !== undefined && clock !== null) {
    throw invalid('option `clock`: it is not a clock', 'Give a TestClock of forcegrant/testing.')
  }
  return {
    options,
    environment: environment(),
    clock: found,
    onEvent: callable<EventListener>('onEvent', onEvent),
  }
}

/**
 * The variables of `process.env` that the core reads. Each worker has a `process.env` of its own, test runners and
 * Bun fill it, and it can be replaced: native code sees the environment of the process alone.
 *
 * @internal
 */
export function environment(): Record<string, string> {
  const seen: Record<string, string> = {}
  for (const name of native().environmentNames()) {
    const value: unknown = process.env[name]
    if (value !== undefined && value !== null) seen[name] = String(value)
  }
  return seen
}

/** @internal A function, or nothing. */
export function callable<T>(name: string, value: unknown): T | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'function')
    throw invalid(`option \`${name}\`: it is not a function`, 'Give a function.')
  return value as T
}

/** @internal Whether it is an object that is no array. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @internal The error of a wrong option. */
export function invalid(message: string, help: string): ForcegrantError {
  return makeError({ code: 'invalid_option', kind: 'configuration', message, help })
}
