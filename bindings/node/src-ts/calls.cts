import type { Client } from './client.cjs'
import { makeError } from './errors.cjs'
import { native } from './loader.cjs'
import type { Token } from './token.cjs'
import { type ApiAnswer, type HeadersLike, header, LIMIT_INFO } from './verdict.cjs'

/**
 * One call of an API, however many requests it takes. The core decides; the adapters move bytes.
 *
 * @internal
 */
export class ApiCall {
  readonly #client: Client
  readonly #method: string
  readonly #signal: () => AbortSignal | undefined
  readonly #isReplayable: boolean
  #attempts = 1
  #replayed = false
  /** What a renewed token must not be. */
  #refused: Token | undefined

  /** `signal` is asked for only when there is something to wait for. */
  constructor(client: Client, method: string, isReplayable: boolean, signal: () => AbortSignal | undefined) {
    this.#client = client
    this.#method = method
    this.#isReplayable = isReplayable
    this.#signal = signal
  }

  /** The token for the next request, if it is there without waiting. */
  kept(): Token | undefined {
    return this.#refused === undefined ? this.#client.kept() : undefined
  }

  /** The token for the next request. */
  async token(): Promise<Token> {
    const signal = this.#signal()
    const token = await this.#client.token(signal && { signal })
    if (this.#refused !== undefined) checkRenewed(this.#refused, token)
    this.#refused = undefined
    return token
  }

  /**
   * Takes in the answer to a request that carried the token. Undefined: hand it out. Else drop it, wait for the
   * promise and send the request again; a call that ends in an error rejects it.
   */
  judge(token: Token, answer: ApiAnswer): Promise<void> | undefined {
    const { step, pause, error } = this.#client.judge(token, {
      method: this.#method,
      replayable: this.#isReplayable,
      replayed: this.#replayed,
      attempts: this.#attempts,
      ...answer,
    })
    switch (step) {
      case 'deliver':
        return undefined
      case 'fail':
        return Promise.reject(makeError(error ?? LOST))
      case 'replay':
        this.#replayed = true
        this.#refused = token
        return Promise.resolve()
      case 'retry':
        this.#attempts += 1
        return sleep(pause ?? 0, this.#signal())
    }
  }
}

/** @internal */
export function isSameOrigin(one: string, other: string): boolean {
  return (
    one === other ||
    (URL.canParse(one) && URL.canParse(other) && new URL(one).origin === new URL(other).origin)
  )
}

/** @internal Throws if a renewal brought the very token that was refused. */
export function checkRenewed(before: Token, now: Token): void {
  const error = native().renewed(before.accessToken, now.accessToken)
  if (error !== null) throw makeError(error)
}

/** @internal Whether the body of an answer has to be looked at, up to {@link enough} bytes of it. */
export function bodyCounts(status: number): boolean {
  return status >= 400 && native().bodyCounts(status)
}

/** @internal */
export function enough(): number {
  return native().ENOUGH
}

/** @internal Remembers what an answer tells about the org's limits: most answers matter for nothing else. */
export function noteUsage(client: Client, headers: HeadersLike): void {
  const info = header(headers, LIMIT_INFO)
  if (info !== undefined) client.noteLimitInfo(info)
}

const LOST = { code: 'internal', kind: 'internal', message: 'the native part gave no answer' }

/** Rejects with the signal's reason as soon as it is aborted, and leaves no listener. */
function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, milliseconds)
    const abort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
  })
}
