import { isClientCredentials, type LoadedCredentials, texts } from './credentials.cjs'
import type * as Native from './native.cjs'
import { type CommonOptions, type Crossing, callable, toNative, whole, wrong } from './options.cjs'

type Maybe<T> = T | null | undefined

/** Where one org's credentials go and what they are. */
export interface OrgCredentials extends LoadedCredentials {
  /** The My Domain host of the org, such as `acme.my.salesforce.com`; a pasted URL will do. */
  loginUrl: string
}

/** Brings the credentials of a key: from a database or a vault, say. */
export type OrgCallback = (key: string) => OrgCredentials | PromiseLike<OrgCredentials>

/**
 * The options of `new ClientPool`. Those of `CommonOptions` hold for all clients, but for `tokenUrl` and
 * `nextCredentials`, which belong to one org. The pool is itself what this process shares, so `store` tells only
 * what is shared beyond it.
 */
export type PoolOptions = Omit<CommonOptions, 'tokenUrl' | 'nextCredentials'> & OwnOptions

/** What a pool has beside the options of its clients. */
export interface OwnOptions {
  /**
   * Brings the credentials of a key that was not inserted: called at the key's first login and when a login is
   * refused for the credentials. What it throws becomes the `cause` of a `credentials_unavailable`.
   */
  credentialsCallback?: Maybe<OrgCallback>
  /** How many clients are kept; then one that was not used lately goes. Default 10,000. */
  maxClients?: Maybe<number>
  /** How many logins of the pool start within a second. Default 100. */
  loginsPerSecond?: Maybe<number | 'none'>
  /**
   * How many logins of the pool are in flight at once; one that takes longer than two seconds is not counted,
   * up to four times as many. Default 64.
   */
  concurrentLogins?: Maybe<number | 'none'>
}

/** @internal */
export interface PoolCrossing extends Crossing {
  own: Native.NativePoolOptions
  most: number
}

const MOST = 10_000

/** @internal */
export function toNativePool(options: PoolOptions | null | undefined): PoolCrossing {
  const { credentialsCallback, maxClients, loginsPerSecond, concurrentLogins, ...shared } = options ?? {}
  const own: Native.NativePoolOptions = {}
  if (maxClients !== undefined && maxClients !== null) own.maxClients = number('maxClients', maxClients)
  if (loginsPerSecond === 'none') own.noLoginsPerSecond = true
  else if (loginsPerSecond !== undefined && loginsPerSecond !== null)
    own.loginsPerSecond = number('loginsPerSecond', loginsPerSecond)
  if (concurrentLogins === 'none') own.noConcurrentLogins = true
  else if (concurrentLogins !== undefined && concurrentLogins !== null)
    own.concurrentLogins = number('concurrentLogins', concurrentLogins)
  const crossing = toNative(shared, false)
  const callback = callable<OrgCallback>('credentialsCallback', credentialsCallback)
  const credentials = callback === undefined ? undefined : answeringKeys(callback)
  return { ...crossing, credentials, own, most: maxClients ?? MOST }
}

/** @internal */
export function isOrg(value: unknown): value is OrgCredentials {
  if (!isClientCredentials(value)) return false
  const { loginUrl, next } = value as Partial<OrgCredentials>
  return typeof loginUrl === 'string' && (next === undefined || next === null || isClientCredentials(next))
}

/** @internal What crosses to the native side. */
export function toNativeOrg({ loginUrl, clientId, clientSecret, next }: OrgCredentials): Native.NativeOrg {
  const org = { loginUrl, clientId, clientSecret }
  return next === undefined || next === null ? org : { ...org, next }
}

function answeringKeys(callback: OrgCallback): (question: Native.NativeQuestion) => void {
  return async (question) => {
    try {
      const org = await callback(question.key ?? '')
      if (!isOrg(org)) throw new TypeError('it returned no { loginUrl, clientId, clientSecret }')
      question.answerOrg(toNativeOrg(org))
    } catch (error) {
      question.fail(texts(error))
    }
  }
}

function number(name: string, value: unknown): number {
  const wanted = whole(value)
  if (wanted !== undefined) throw wrong(name, value, name === 'maxClients' ? wanted : `${wanted}, or "none"`)
  return value as number
}
