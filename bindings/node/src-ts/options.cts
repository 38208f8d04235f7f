// The options of clients, and what of any options the native part cannot take as it is.
import { nativeClock, type TestClock } from './clock.cjs'
import {
  type ClientCredentials,
  type CredentialsCallback,
  isLoaded,
  isOrg,
  type OrgCallback,
  questionFor,
} from './credentials.cjs'
import { type ForcegrantError, makeError } from './errors.cjs'
import type { EventListener } from './event.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'
import { isStore, type Store, stepsOf } from './store.cjs'

type Maybe<T> = T | null | undefined

/**
 * What a {@link Client} can be told. Times are in milliseconds. An option that is `undefined` or `null` is
 * as if it were missing (but `proxy: null`, which says that there is none). What an option defaults to is
 * decided, and documented, in the core: it is the same in every language.
 */
export interface CommonOptions {
  /** Client credentials that are valid as well, while they replace the others. */
  nextCredentials?: Maybe<ClientCredentials>
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
   * Tries of one API call through this client's adapters: more than one repeats calls that a busy service refuses with
   * 503, 429 and the like, if their method may be repeated (not POST or PATCH) and their body can be sent again. 1: off.
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
         * Returns the credentials, in place of the options above: from a vault, say. It is called at the first
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

/** @internal What crosses to the native part. */
export interface NativeArguments {
  options: object
  environment: Record<string, string>
  clock: Native.NativeTestClock | undefined
  onEvent: EventListener | undefined
  credentials: ((question: Native.NativeQuestion) => void) | undefined
  store: ((step: Native.NativeStoreStep) => void) | undefined
  fetch: typeof globalThis.fetch | undefined
}

/**
 * Takes functions and objects out of the options. The native part checks the others.
 *
 * @internal
 */
export function toNative(given: unknown, source: 'options' | 'environment' | 'pool'): NativeArguments {
  if (given !== undefined && given !== null && !isPlain(given)) {
    throw invalid('the options are not an object', 'Give one object: { loginUrl, clientId, clientSecret }.')
  }
  const { clock, onEvent, credentialsCallback, fetch, ...options } = given ?? {}
  const found = clock === undefined || clock === null ? undefined : nativeClock(clock)
  if (found === undefined && clock !== undefined && clock !== null) {
    throw invalid('option `clock`: it is not a clock', 'Give a TestClock of forcegrant/testing.')
  }
  const callback = callable<CredentialsCallback & OrgCallback>('credentialsCallback', credentialsCallback)
  const others = ['clientId', 'clientSecret', 'clientSecretFile', 'nextCredentials']
  const other =
    source === 'environment' ? 'the environment' : others.find((name) => (options[name] ?? null) !== null)
  if (callback !== undefined && source !== 'pool' && other !== undefined) {
    throw invalid(
      `option \`credentialsCallback\`: it cannot be combined with ${other}`,
      'The callback returns all credentials: remove the others.',
    )
  }
  const { store } = options
  if (isStore(store)) delete options['store']
  return {
    options,
    environment: environment(),
    clock: found,
    onEvent: callable<EventListener>('onEvent', onEvent),
    credentials:
      callback &&
      (source === 'pool'
        ? questionFor(callback, isOrg, '{ loginUrl, clientId, clientSecret, next? }')
        : questionFor(callback, isLoaded, '{ clientId, clientSecret, next? }')),
    store: isStore(store) ? stepsOf(store) : undefined,
    fetch: callable<typeof globalThis.fetch>('fetch', fetch),
  }
}

/**
 * The variables of `process.env` that the core reads. Each worker has a `process.env` of its own, test runners and
 * Bun fill it, and it can be replaced: native code sees the environment of the process alone.
 */
function environment(): Record<string, string> {
  const seen: Record<string, string> = {}
  for (const name of native().environmentNames()) {
    const value: unknown = process.env[name]
    if (value !== undefined && value !== null) seen[name] = String(value)
  }
  return seen
}

function callable<T>(name: string, value: unknown): T | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'function')
    throw invalid(`option \`${name}\`: it is not a function`, 'Give a function.')
  return value as T
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string, help: string): ForcegrantError {
  return makeError({ code: 'invalid_option', kind: 'configuration', message, help })
}
