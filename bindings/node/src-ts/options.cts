import { nativeClock, type TestClock } from './clock.cjs'
import {
  answering,
  type ClientCredentials,
  type CredentialsCallback,
  isClientCredentials,
} from './credentials.cjs'
import { environment } from './environment.cjs'
import { ConfigurationError } from './errors.cjs'
import type { EventListener } from './event.cjs'
import type * as Native from './native.cjs'
import { isStore, type Store, taking } from './store.cjs'

type Maybe<T> = T | null | undefined

/**
 * What a {@link Client} can be told. Times are in milliseconds. An option that is `undefined` or `null` is
 * as if it were missing (but `proxy: null`, which says that there is none). What an option defaults to is
 * decided, and documented, in the core: it is the same in every language.
 */
export interface CommonOptions {
  /** A second pair that is live beside the first while one replaces the other. */
  nextCredentials?: Maybe<ClientCredentials>
  /** Asks Salesforce after each login when the token ends, if the answer did not say. */
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
  /** Which certificate authorities to trust: the platform's, the bundled ones, or only those of a PEM text. */
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
  /**
   * Tries of one API call through this client's adapters: more than one repeats calls that are answered with 503, 429
   * and the like, if their method may be repeated (not POST or PATCH) and their body can be sent again. 1: off.
   */
  callAttempts?: Maybe<number>
  /** The base of the pause between two of them, and the longest pause. */
  callBackoff?: Maybe<readonly [first: number, cap: number]>
  /** The longest `Retry-After` that is waited for between two of them. */
  callRetryAfterCap?: Maybe<number>
  /** The session timeout set in the org, from which the end of a token is estimated. */
  sessionTimeout?: Maybe<number>
  /** How long before its end a token is refreshed, in the background. */
  refreshWindow?: Maybe<number>
  /** How long before a known end a token is no longer handed out. */
  safetyMargin?: Maybe<number>
  /** How long past an estimated end a token is handed out while refreshing fails. */
  maxStale?: Maybe<number>
  /** First and longest pause after a refusal; `[0, 0]` asks every time. */
  refusalBackoff?: Maybe<readonly [first: number, cap: number]>
  /** First and longest pause after a passing failure; `[0, 0]` asks every time. */
  transientBackoff?: Maybe<readonly [first: number, cap: number]>
  /**
   * Whom the client shares its token and its logins with: the clients of this process (the default), nobody,
   * or the user's processes on this machine, through a folder in the user's cache or one of your own:
   * `file:///var/cache/my-service`; everyone who uses a Redis or Valkey, `rediss://user:password@host`; or
   * everyone who uses a store that you wrote.
   */
  store?: Maybe<'process' | 'off' | 'file' | Store | (string & {})>
  /** For each step of a store; then the login goes ahead without it. */
  storeTimeout?: Maybe<number>
  /** A clock that stands still until it is moved: `TestClock` of `forcegrant/testing`. */
  clock?: Maybe<TestClock>
  /**
   * Called with what happens in the client, for logs and metrics: on the loop, soon after it happened. It
   * does not keep the process alive.
   */
  onEvent?: Maybe<EventListener>
  /** What `client.fetch` sends by, in place of the global `fetch`: it must keep to the standard. */
  fetch?: Maybe<typeof globalThis.fetch>
}

/** The options of `new Client`. */
export type ClientOptions = CommonOptions & {
  /** The My Domain host of the org, such as `acme.my.salesforce.com`; a pasted URL will do. */
  loginUrl: string
} & (
    | {
        /** The consumer key of the app. */
        clientId: string
        /** The consumer secret of the app. */
        clientSecret: string
        clientSecretFile?: null | undefined
        credentialsCallback?: null | undefined
      }
    | {
        /** The consumer key of the app. */
        clientId: string
        /** A file whose whole content is the consumer secret; it is read again when it changes. */
        clientSecretFile: string
        clientSecret?: null | undefined
        credentialsCallback?: null | undefined
      }
    | {
        /**
         * Brings the credentials, in place of the options above: from a vault, say. It is called at the first
         * login and when a login is refused for the credentials; `totalTimeout` bounds it. What it throws becomes
         * the `cause` of a `credentials_unavailable`. It does not keep the process alive; a call that waits for
         * it does.
         */
        credentialsCallback: CredentialsCallback
        clientId?: null | undefined
        clientSecret?: null | undefined
        clientSecretFile?: null | undefined
        nextCredentials?: null | undefined
      }
  )

/** The options of `Client.fromEnv`: all but those that the environment gives. */
export type EnvOptions = CommonOptions

const CREDENTIALS = ['clientId', 'clientSecret', 'clientSecretFile']
const FROM_ENVIRONMENT = new Set(['loginUrl', ...CREDENTIALS])
const OBJECTS = ['credentialsCallback', 'clock', 'onEvent', 'fetch']

type Check = (value: unknown) => string | undefined
type Option =
  | Exclude<keyof CommonOptions, 'clock' | 'onEvent' | 'fetch'>
  | 'loginUrl'
  | 'clientId'
  | 'clientSecret'
  | 'clientSecretFile'

const CHECKS: Record<Option, Check> = {
  loginUrl: text('such as "acme.my.salesforce.com"'),
  clientId: text('the consumer key'),
  clientSecret: text('the consumer secret'),
  clientSecretFile: text('the path of a file'),
  nextCredentials: (value) =>
    isClientCredentials(value) ? undefined : 'an object: { clientId, clientSecret }',
  introspect: flag,
  introspectionTimeout: milliseconds,
  loginBudget: (value) => (value === 'none' ? undefined : whole(value) && `${whole(value)}, or "none"`),
  authStyle: (value) => (value === 'body' || value === 'basic' ? undefined : '"body" or "basic"'),
  tokenUrl: text('a URL'),
  trustedHosts: (value) =>
    Array.isArray(value) && value.every((host) => typeof host === 'string')
      ? undefined
      : 'an array of host names',
  allowHttpLoopback: flag,
  resolve: (value) =>
    isPlain(value) && Object.values(value).every((address) => typeof address === 'string')
      ? undefined
      : 'an object from host names to addresses, such as { "acme.my.salesforce.com": "127.0.0.1:8443" }',
  roots: text('"platform", "bundled" or a PEM text'),
  proxy: text('"env", "none", null or the URL of a proxy'),
  connectTimeout: milliseconds,
  attemptTimeout: milliseconds,
  totalTimeout: milliseconds,
  maxAttempts: whole,
  retryBackoff: milliseconds,
  retryAfterCap: milliseconds,
  callAttempts: whole,
  callBackoff: pair,
  callRetryAfterCap: milliseconds,
  sessionTimeout: milliseconds,
  refreshWindow: milliseconds,
  safetyMargin: milliseconds,
  maxStale: milliseconds,
  refusalBackoff: pair,
  transientBackoff: pair,
  store: text('"process", "off", "file", the URL of a store, or a store'),
  storeTimeout: milliseconds,
}

/** @internal What crosses to the native side. */
export interface Crossing {
  options: Native.NativeOptions
  clock: Native.NativeTestClock | undefined
  onEvent: EventListener | undefined
  credentials: ((question: Native.NativeQuestion) => void) | undefined
  store: ((step: Native.NativeStoreStep) => void) | undefined
  fetch: typeof globalThis.fetch | undefined
}

/**
 * Brings options into the form that crosses to the native side. Only their types are looked at here;
 * whether a value makes sense, and what holds when there is none, is decided in the core.
 *
 * @internal
 */
export function toNative(options: unknown, fromEnv: boolean): Crossing {
  if (options !== undefined && options !== null && !isPlain(options)) {
    throw invalid('the options are no object', 'Give one object: { loginUrl, clientId, clientSecret }.')
  }
  const { clock, onEvent, credentialsCallback, fetch, ...others } = options ?? {}
  const crossing: Crossing = {
    options: {},
    clock: undefined,
    onEvent: callable<EventListener>('onEvent', onEvent),
    credentials: undefined,
    store: undefined,
    fetch: callable<typeof globalThis.fetch>('fetch', fetch),
  }
  if (clock !== undefined && clock !== null) {
    crossing.clock = nativeClock(clock)
    if (crossing.clock === undefined) throw wrong('clock', clock, 'a TestClock of forcegrant/testing')
  }
  const callback = callable<CredentialsCallback>('credentialsCallback', credentialsCallback)
  if (callback !== undefined) {
    const beside = [...CREDENTIALS, 'nextCredentials'].find((name) => (others[name] ?? null) !== null)
    if (fromEnv || beside !== undefined) {
      throw invalid(
        `option \`credentialsCallback\`: it stands beside ${beside ?? 'the environment'}`,
        'The callback brings all credentials: give nothing else that does.',
      )
    }
    crossing.credentials = answering(callback)
  }
  if (isStore(others['store'])) {
    crossing.store = taking(others['store'])
    delete others['store']
  }
  const given: Record<string, unknown> = { environment: environment() }
  for (const [name, value] of Object.entries(others)) {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name as Option] : undefined
    if (check === undefined) throw invalid(`option \`${name}\`: there is none of this name`, nearest(name))
    if (value === undefined || (value === null && name !== 'proxy')) continue
    if (fromEnv && FROM_ENVIRONMENT.has(name)) {
      throw invalid(`${name} comes from the environment`, 'To give it yourself, use new Client.')
    }
    const told = value === null ? 'none' : value
    const wanted = check(told)
    if (wanted !== undefined) throw wrong(name, value, wanted)
    if (name === 'resolve') given[name] = Object.entries(told)
    else if (name === 'loginBudget' && told === 'none') given['noLoginBudget'] = true
    else given[name] = told
  }
  crossing.options = given
  return crossing
}

/** @internal */
export function callable<T>(name: string, value: unknown): T | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'function') throw wrong(name, value, 'a function')
  return value as T
}

function text(what: string): Check {
  return (value) => (typeof value === 'string' ? undefined : `a string: ${what}`)
}

function milliseconds(value: unknown): string | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER
    ? undefined
    : 'a number of milliseconds, such as 5000'
}

function flag(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : 'true or false'
}

/** @internal */
export function whole(value: unknown): string | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff
    ? undefined
    : 'a whole number, such as 3'
}

function pair(value: unknown): string | undefined {
  return Array.isArray(value) && value.length === 2 && value.every((time) => milliseconds(time) === undefined)
    ? undefined
    : 'two numbers of milliseconds, [first, cap], such as [5000, 60000]'
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'number') return Number.isNaN(value) ? 'NaN' : 'a number out of range'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** Names of other cases and spellings lead to ours: `client_id`, `clientID`, `loginURL`. */
function nearest(name: string): string {
  const plain = (text: string) => text.replaceAll(/[^a-z]/gi, '').toLowerCase()
  const known = [...Object.keys(CHECKS), ...OBJECTS]
  const meant = known.find((candidate) => plain(candidate) === plain(name))
  return meant === undefined ? `The options are: ${known.join(', ')}.` : `Did you mean ${meant}?`
}

/** The value itself is left out: it may be a secret that was put in the wrong place. */
/** @internal */
export function wrong(name: string, value: unknown, wanted: string): ConfigurationError {
  return invalid(`option \`${name}\`: it is ${describe(value)}`, `Give ${wanted}.`)
}

function invalid(what: string, help: string): ConfigurationError {
  const message = `${what}\n  ${help}`
  return new ConfigurationError({ code: 'invalid_option', kind: 'configuration', message, help })
}
