import { type ApiResponse, type HeadersLike, header, LIMIT_INFO } from './classification.cjs'
import type { Client } from './client.cjs'
import { makeError } from './errors.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'
import type { Token } from './token.cjs'

/**
 * One call of an API, however many requests it takes. The core decides and keeps its state; the adapters move bytes.
 *
 * @internal
 */
export class ApiCall {
  readonly #client: Client
  readonly #method: string
  readonly #signal: () => AbortSignal | undefined
  readonly #isReplayable: boolean
  /** The core's part, made when a response has to be looked at: most calls need none. */
  #native: Native.NativeApiCall | undefined

  /** `signal` is asked for only when there is something to wait for. */
  constructor(client: Client, method: string, isReplayable: boolean, signal: () => AbortSignal | undefined) {
    this.#client = client
    this.#method = method
    this.#isReplayable = isReplayable
    this.#signal = signal
  }

  /** The token for the next request, if it is there without waiting. */
  kept(): Token | undefined {
    return this.#native === undefined ? this.#client.kept() : undefined
  }

  /** The token for the next request. */
  async token(): Promise<Token> {
    const signal = this.#signal()
    const token = await this.#client.token(signal && { signal })
    this.use(token)
    return token
  }

  /** A request to this URL, with its token, was served. */
  served(url: string): void {
    this.#client.noteAccepted(url, this.#native)
  }

  /** Takes in the token for the next request. Throws if it is the very one that was refused. */
  use(token: Token): void {
    const error = this.#native?.useToken(token.accessToken) ?? null
    if (error !== null) throw makeError(error)
  }

  /**
   * Takes in the response to a request to this URL that carried the token. Undefined: hand it out. Else drop it, wait
   * for the promise and send the request again; a call that ends in an error rejects it.
   */
  judge(token: Token, url: string, response: ApiResponse): Promise<void> | undefined {
    const { step, pause, error } = this.handle(token, url, response)
    if (step === 'deliver') return undefined
    if (step === 'fail') return Promise.reject(makeError(error ?? LOST))
    return pause ? sleep(pause, this.#signal()) : Promise.resolve()
  }

  /** The same, for a library that waits and sends again by itself: also what a busy service refuses. */
  handle(token: Token, url: string, response: ApiResponse, repeatsWhenBusy = true): Native.NativeAction {
    this.#native ??= this.#client.apiCall(this.#method, repeatsWhenBusy)
    return this.#client.handleResponse(this.#native, token, url, this.#isReplayable, response)
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

/** @internal Remembers what a response that is fine tells: the org's limits, and that the host accepted the token. */
export function noteUsage(
  client: Client,
  url: string,
  headers: HeadersLike,
  call: ApiCall | undefined,
): void {
  if (call === undefined) client.noteAccepted(url)
  else call.served(url)
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
