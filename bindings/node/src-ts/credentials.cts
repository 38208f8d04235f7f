import type * as Native from './native.cjs'

/** A consumer key and consumer secret. */
export interface ClientCredentials {
  /** The app's consumer key. */
  clientId: string
  /** The app's consumer secret. */
  clientSecret: string
}

/** What a {@link CredentialsCallback} brings: the client credentials, and a second one that is live beside it. */
export interface LoadedCredentials extends ClientCredentials {
  /** A second pair that is live beside it, while one replaces the other. */
  next?: ClientCredentials | null | undefined
}

/** Brings the credentials: from a vault, say. */
export type CredentialsCallback = () => LoadedCredentials | PromiseLike<LoadedCredentials>

/** @internal What the native side calls on the loop when the core wants credentials. It never throws. */
export function answering(callback: CredentialsCallback): (question: Native.NativeQuestion) => void {
  return async (question) => {
    try {
      const loaded = await callback()
      if (!isClientCredentials(loaded)) throw new TypeError('it returned no { clientId, clientSecret }')
      const { next } = loaded
      if (next !== undefined && next !== null && !isClientCredentials(next)) {
        throw new TypeError('what it returned as `next` is no { clientId, clientSecret }')
      }
      question.answer(loaded, next)
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
  return typeof thrown === 'string' ? thrown : `something that is no Error was thrown (${typeof thrown})`
}
