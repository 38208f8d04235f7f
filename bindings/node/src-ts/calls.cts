// API calls: what the calls of one client share, and the steps of one call. The core decides them; adapters move bytes.
import {
  type ApiResponse,
  type ApiUsage,
  type HeadersLike,
  header,
  LIMIT_INFO,
  toApiUsage,
  toNativeResponse,
} from './classification.cjs'
import { guarded } from './guard.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'
import { type CallOptions, sleep } from './pending.cjs'
import { isSameOrigin, type ResolvedUrl, UrlResolver } from './resolve-url.cjs'
import type { Token } from './token.cjs'

/** Where calls get their tokens from: a client. */
interface TokenSource {
  /** The token, while the core has said that it may be handed out without asking again. */
  kept(): Token | undefined
  token(options?: CallOptions): Promise<Token>
  /** The core may have dropped the token: it is asked before the token is handed out again. */
  recheck(): void
}

/**
 * What the calls of one client share.
 *
 * @internal
 */
export class ClientCalls {
  readonly tokens: TokenSource
  readonly #native: () => Native.NativeClient
  readonly #urls = new UrlResolver(({ instanceUrl, apiInstanceUrl }, pathOrUrl) =>
    guarded(
      () => this.#native().resolveUrl(instanceUrl, apiInstanceUrl, pathOrUrl),
      ClientCalls.prototype.resolveUrl,
    ),
  )
  /** Whether a token was refused lately: then it matters which hosts accept one. */
  #countsRenewals = false
  /** What the last response told about the limits, until somebody asks. */
  #limitInfo: string | undefined

  constructor(tokens: TokenSource, native: () => Native.NativeClient) {
    this.tokens = tokens
    this.#native = native
  }

  /** Where a request with this token goes, and whether it carries the token. */
  resolveUrl(token: Token, pathOrUrl: string): ResolvedUrl {
    return this.#urls.resolve(token, pathOrUrl)
  }

  limits(): ApiUsage | undefined {
    this.#noteLimitInfo()
    const usage = this.#native().limits()
    return usage === null ? undefined : toApiUsage(usage)
  }

  /** Remembers what a response with a status below 400 says. */
  noteServed(url: string, headers: HeadersLike, call: Native.NativeApiCall | undefined): void {
    if (this.#countsRenewals)
      this.#countsRenewals = call === undefined ? this.#native().noteAccepted(url) : call.noteServed(url)
    this.#limitInfo = header(headers, LIMIT_INFO) ?? this.#limitInfo
  }

  start(method: string, repeatsWhenBusy: boolean): Native.NativeApiCall {
    return this.#native().apiCall(method, repeatsWhenBusy)
  }

  /** What follows from a response of 400 or more. */
  handleResponse(
    call: Native.NativeApiCall,
    { accessToken }: Token,
    url: string,
    isReplayable: boolean,
    response: ApiResponse,
  ): number | undefined {
    this.#noteLimitInfo()
    this.#countsRenewals = true
    this.tokens.recheck()
    const parts = toNativeResponse(response)
    return (
      guarded(() => call.handleResponse(accessToken, url, isReplayable, parts), this.handleResponse) ??
      undefined
    )
  }

  /** Not for each response: most are never asked for. */
  #noteLimitInfo(): void {
    if (this.#limitInfo === undefined) return
    this.#native().noteLimitInfo(this.#limitInfo)
    this.#limitInfo = undefined
  }
}

/**
 * One API call, however many requests it takes.
 *
 * @internal
 */
export class ApiCall {
  readonly #calls: ClientCalls
  readonly #method: string
  readonly #isReplayable: boolean
  readonly #signal: () => AbortSignal | undefined
  readonly #repeatsWhenBusy: boolean
  /** The core's part, made for the first response of 400 or more: most calls have none. */
  #native: Native.NativeApiCall | undefined

  /**
   * @param signal asked for only when there is something to wait for
   * @param repeatsWhenBusy false for a library that repeats by itself what a busy service refused
   */
  constructor(
    calls: ClientCalls,
    method: string,
    isReplayable: boolean,
    signal: () => AbortSignal | undefined,
    repeatsWhenBusy = true,
  ) {
    this.#calls = calls
    this.#method = method
    this.#isReplayable = isReplayable
    this.#signal = signal
    this.#repeatsWhenBusy = repeatsWhenBusy
  }

  /** The token for the next request, if it is there without waiting. */
  kept(): Token | undefined {
    return this.#native === undefined ? this.#calls.tokens.kept() : undefined
  }

  /** The token for the next request. */
  async token(): Promise<Token> {
    const signal = this.#signal()
    const token = await this.#calls.tokens.token(signal && { signal })
    this.useToken(token)
    return token
  }

  /** Takes the token of the next request. Throws if it is the one that was refused. */
  useToken(token: Token): void {
    guarded(() => this.#native?.useToken(token.accessToken), this.useToken)
  }

  resolveUrl(token: Token, pathOrUrl: string): ResolvedUrl {
    return this.#calls.resolveUrl(token, pathOrUrl)
  }

  /** Where a redirect leads: only the origin that saw the token sees it again. */
  resolveRedirect(token: Token, from: string, to: string): ResolvedUrl {
    return isSameOrigin(from, to) ? this.resolveUrl(token, to) : { url: to, carriesToken: false }
  }

  /** Takes a response with a status below 400. */
  noteServed(url: string, headers: HeadersLike): void {
    this.#calls.noteServed(url, headers, this.#native)
  }

  /**
   * Takes the response of 400 or more to a request to this URL that carried the token. Undefined: deliver it. Otherwise
   * drop it, and send the request again after so many milliseconds. Throws if the call ends in an error.
   */
  handleResponse(token: Token, url: string, response: ApiResponse): number | undefined {
    this.#native ??= this.#calls.start(this.#method, this.#repeatsWhenBusy)
    return this.#calls.handleResponse(this.#native, token, url, this.#isReplayable, response)
  }

  /** Waits until the request may be sent again. */
  pause(milliseconds: number): Promise<void> {
    return milliseconds === 0 ? Promise.resolve() : sleep(milliseconds, this.#signal())
  }
}

/** @internal What came of one request. */
export interface Attempt<R> {
  /** What the caller gets of it. */
  deliver(): R
  /** What is classified: nothing where the response says nothing about the token. */
  readonly response: { readonly status: number; readonly headers: HeadersLike } | undefined
  /** The body or its beginning, which stays readable. */
  body(): Promise<string | Uint8Array>
  /** Drops the response. */
  discard(): void
}

/**
 * Sends a request, again if the core says so, for a library that returns a promise of the response.
 *
 * @internal
 * @param attempt sends the request to a URL, with the token or without
 */
export async function send<R>(
  call: ApiCall,
  pathOrUrl: string,
  attempt: (url: string, token: Token | undefined) => Promise<Attempt<R>>,
): Promise<R> {
  for (;;) {
    const token = call.kept() ?? (await call.token())
    const { url, carriesToken } = call.resolveUrl(token, pathOrUrl)
    const attempted = await attempt(url, carriesToken ? token : undefined)
    const { response } = attempted
    if (response === undefined || !carriesToken) return attempted.deliver()
    const { status, headers } = response
    if (status < 400) {
      call.noteServed(url, headers)
      return attempted.deliver()
    }
    const body = bodyCounts(status) ? await attempted.body() : undefined
    let pause: number | undefined
    try {
      pause = call.handleResponse(token, url, { status, headers, body })
    } catch (error) {
      attempted.discard()
      throw error
    }
    if (pause === undefined) return attempted.deliver()
    attempted.discard()
    await call.pause(pause)
  }
}

/** @internal Whether a body can be read only once: a stream, a generator, a form of an older library. */
export function isReadOnce(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return false
  if (Symbol.asyncIterator in body || 'getReader' in body) return true
  const { next, pipe } = body as { next?: unknown; pipe?: unknown }
  return typeof next === 'function' || typeof pipe === 'function'
}

/** @internal Throws if a renewal returned the token that was refused. */
export function checkRenewed(before: Token, now: Token): void {
  guarded(() => native().checkRenewed(before.accessToken, now.accessToken), checkRenewed)
}

/** @internal Whether the body of a response is classified, up to {@link classifiedBytes} of it. */
export function bodyCounts(status: number): boolean {
  return status >= 400 && native().bodyCounts(status)
}

/** @internal */
export function classifiedBytes(): number {
  return native().CLASSIFIED_BYTES
}
