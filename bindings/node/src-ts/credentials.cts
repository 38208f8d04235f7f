// Credentials: their types, and the callbacks that bring them.
import { type Connection, nativeConnection } from './connection.cjs'
import { environment } from './login-options.cjs'
import type * as Native from './native.cjs'

/** A consumer key and consumer secret. */
export interface ClientCredentials {
  /** The app's consumer key. */
  clientId: string
  /** The app's consumer secret. */
  clientSecret: string
}

/** What a {@link CredentialsCallback} returns: the client credentials, and those that are about to replace them. */
export interface LoadedCredentials extends ClientCredentials {
  /** Client credentials that are valid as well, while they replace the others. */
  next?: ClientCredentials | null | undefined
}

/** The credentials of one org, and where they go. */
export interface OrgCredentials extends LoadedCredentials {
  /** The My Domain host of the org, such as `acme.my.salesforce.com`, or a URL of the org. */
  loginUrl: string
}

/** Loads the credentials: from a vault, say. */
export type CredentialsCallback = () => LoadedCredentials | PromiseLike<LoadedCredentials>

/** What an {@link OrgCallback} returns; `undefined` or `null` says that there is no such key. */
export type LoadedOrg = OrgCredentials | Connection | null | undefined

/** Loads the credentials of a key: from a database or a vault, say. */
export type OrgCallback = (key: string) => LoadedOrg | PromiseLike<LoadedOrg>

type Question = (question: Native.NativeQuestion) => void

/** @internal What the native part calls on the loop when the core wants the credentials of a client. It never throws. */
export function questionFor(callback: CredentialsCallback): Question {
  return answered(callback, (question, loaded) => {
    if (!isLoaded(loaded)) throw new TypeError('the callback must return { clientId, clientSecret, next? }')
    question.answer(toNativeCredentials(loaded))
  })
}

/** @internal The same for a pool. */
export function orgQuestionFor(callback: OrgCallback): Question {
  return answered(callback, (question, loaded) => {
    const connection = nativeConnection(loaded)
    if (loaded === undefined || loaded === null || connection !== undefined) {
      question.answerConnection(connection, environment())
    } else if (isOrg(loaded)) {
      question.answer(toNativeCredentials(loaded))
    } else {
      throw new TypeError(
        'the callback must return { loginUrl, clientId, clientSecret, next? }, a Connection or undefined',
      )
    }
  })
}

function answered(
  callback: (key: string) => unknown,
  answer: (question: Native.NativeQuestion, loaded: unknown) => void,
): Question {
  return async (question) => {
    try {
      answer(question, await callback(question.key ?? ''))
    } catch (error) {
      question.fail(texts(error))
    }
  }
}

/** @internal */
export function isClientCredentials(value: unknown): value is ClientCredentials {
  if (typeof value !== 'object' || value === null) return false
  const { clientId, clientSecret } = value as Partial<ClientCredentials>
  return typeof clientId === 'string' && typeof clientSecret === 'string'
}

/** @internal */
export function isLoaded(value: unknown): value is LoadedCredentials {
  if (!isClientCredentials(value)) return false
  const { next } = value as LoadedCredentials
  return next === undefined || next === null || isClientCredentials(next)
}

/** @internal */
export function isOrg(value: unknown): value is OrgCredentials {
  return isLoaded(value) && typeof (value as Partial<OrgCredentials>).loginUrl === 'string'
}

/** @internal What crosses to the native part: without what is not asked for. */
export function toNativeCredentials(
  given: LoadedCredentials & Partial<OrgCredentials>,
): Native.NativeCredentials {
  const { loginUrl, clientId, clientSecret, next } = given
  return { clientId, clientSecret, ...(loginUrl != null && { loginUrl }), ...(next != null && { next }) }
}

/** @internal The messages of an error and its causes. */
export function texts(thrown: unknown): string[] {
  const found: string[] = []
  const seen = new Set<unknown>()
  for (let error = thrown; error !== undefined && !seen.has(error) && found.length < 8; ) {
    seen.add(error)
    found.push(error instanceof Error ? `${error.name}: ${error.message}` : describe(error))
    error = error instanceof Error ? error.cause : undefined
  }
  return found
}

/** Anything can be thrown; an object may be the credentials themselves. */
function describe(thrown: unknown): string {
  return typeof thrown === 'string' ? thrown : `a value that is not an Error was thrown (${typeof thrown})`
}
