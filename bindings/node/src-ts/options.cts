// The options of clients, and what of any options the native part cannot take as it is.
import {
  type ClientCredentials,
  type CredentialsCallback,
  type OrgCallback,
  orgQuestionFor,
  questionFor,
} from './credentials.cjs'
import {
  callable,
  invalid,
  type LoginArguments,
  type LoginOptions,
  loginArguments,
  refuseCredentials,
} from './login-options.cjs'
import type * as Native from './native.cjs'
import { isStore, type Store, stepsOf } from './store.cjs'

type Maybe<T> = T | null | undefined

/**
 * What a {@link Client} can be told. Times are in milliseconds. An option that is `undefined` or `null` is
 * as if it were missing (but `proxy: null`, which says that there is none). What an option defaults to is
 * decided, and documented, in the core: it is the same in every language.
 */
export interface CommonOptions extends LoginOptions {
  /** Client credentials that are valid as well, while they replace the others. */
  nextCredentials?: Maybe<ClientCredentials>
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
export interface NativeArguments extends LoginArguments {
  credentials: ((question: Native.NativeQuestion) => void) | undefined
  connections: unknown
  store: ((step: Native.NativeStoreStep) => void) | undefined
  fetch: typeof globalThis.fetch | undefined
}

/** @internal Where the credentials of a client come from, if not from its options. */
export type SourceName = 'options' | 'environment' | 'connection' | 'pool'

/**
 * Takes functions and objects out of the options. The native part checks the others.
 *
 * @internal
 */
export function toNative(given: unknown, source: SourceName): NativeArguments {
  if (source === 'environment' || source === 'connection') refuseCredentials(given, source)
  const {
    options: { credentialsCallback, connections, fetch, ...options },
    ...others
  } = loginArguments(given)
  const callback = callable<CredentialsCallback & OrgCallback>('credentialsCallback', credentialsCallback)
  const names = ['clientId', 'clientSecret', 'clientSecretFile', 'nextCredentials']
  const other =
    source === 'options' ? names.find((name) => (options[name] ?? null) !== null) : `the ${source}`
  if (callback !== undefined && source !== 'pool' && other !== undefined) {
    throw invalid(
      `option \`credentialsCallback\`: it cannot be combined with ${other}`,
      'The callback returns all credentials: remove the others.',
    )
  }
  const { store } = options
  if (isStore(store)) delete options['store']
  return {
    ...others,
    options,
    connections,
    credentials: callback && (source === 'pool' ? orgQuestionFor(callback) : questionFor(callback)),
    store: isStore(store) ? stepsOf(store) : undefined,
    fetch: callable<typeof globalThis.fetch>('fetch', fetch),
  }
}
