import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { ApiCall, bodyCounts, enough, noteUsage, Routes } from './calls.cjs'
import type { Client } from './client.cjs'
import type { Token } from './token.cjs'
import type { ApiAnswer } from './verdict.cjs'

type Options = Dispatcher.DispatchOptions
type Handler = Dispatcher.DispatchHandler
type InnerController = Dispatcher.DispatchController

/**
 * An interceptor for undici that sends the client's token and renews it:
 * `new Agent().compose(forcegrant(client)).request({ path, method: 'GET' })`.
 *
 * A request without an `origin` goes to the token's instance. The token goes only where `client.mayCarry` says. A call
 * that meets a dead session is repeated once with a new token, as `client.fetch` does it. Redirects belong outside:
 * name `interceptors.redirect()` after it, so that each hop is looked at.
 */
export function forcegrant(client: Client): Dispatcher.DispatcherComposeInterceptor {
  const routes = new Routes(client)
  return (dispatch) => (options, handler) => {
    new Exchange(client, routes, dispatch, options, handler).start()
    return true
  }
}

/** One request of the user's, which may become several. */
class Exchange implements InnerController {
  readonly #client: Client
  readonly #routes: Routes
  readonly #dispatch: Dispatcher['dispatch']
  readonly #options: Options
  readonly #handler: Handler
  readonly #call: ApiCall
  /** Ends the waiting for a token, or for a busy service; most requests wait for neither. */
  #waiting: AbortController | undefined
  #reason: Error | null = null
  #inner: InnerController | undefined
  #paused = false
  #settled = false

  constructor(
    client: Client,
    routes: Routes,
    dispatch: Dispatcher['dispatch'],
    options: Options,
    handler: Handler,
  ) {
    this.#client = client
    this.#routes = routes
    this.#dispatch = dispatch
    this.#options = options
    this.#handler = handler
    const { method, body } = options
    this.#call = new ApiCall(client, method, isReplayable(body), () => this.#signal())
  }

  start(): void {
    // At once, so that a request that waits for its token can be cancelled.
    this.#handler.onRequestStart?.(this, {})
    this.#send()
  }

  #send(): void {
    const failed = (error: Error) => this.fail(error)
    const kept = this.#call.kept()
    if (kept === undefined) {
      this.#call
        .token()
        .then((token) => this.#sendWith(token))
        .catch(failed)
      return
    }
    try {
      this.#sendWith(kept)
    } catch (error) {
      failed(error as Error)
    }
  }

  #sendWith(token: Token): void {
    if (this.#reason !== null) throw this.#reason
    const { origin, headers } = this.#options
    const given = entries(headers)
    // None stands for the token's instance.
    const { url, carries } = this.#routes.of(token, origin === undefined ? token.instanceUrl : String(origin))
    const carried = carries && !given.some(([name]) => name.toLowerCase() === 'authorization')
    const options: Options = {
      ...this.#options,
      origin: url === token.instanceUrl ? url : new URL(url).origin,
    }
    if (carried) options.headers = [...given.flat(), 'authorization', token.authorization]
    this.#dispatch(options, new Attempt(this, this.#handler, carried ? token : undefined))
  }

  /** What an answer tells about the org's limits. */
  note(headers: IncomingHttpHeaders): void {
    noteUsage(this.#client, headers)
  }

  /** Whether an answer is dropped: then the request is sent again, or has failed. */
  drops(token: Token, answer: ApiAnswer): boolean {
    const again = this.#call.judge(token, answer)
    again?.then(
      () => this.#send(),
      (error) => this.fail(error),
    )
    return again !== undefined
  }

  adopt(inner: InnerController): void {
    this.#inner = inner
    if (this.#reason !== null) inner.abort(this.#reason)
    else if (this.#paused) inner.pause()
  }

  fail(error: Error): void {
    if (this.#settled) return
    this.#settled = true
    this.#handler.onResponseError?.(this, error)
  }

  get aborted(): boolean {
    return this.#reason !== null
  }

  get paused(): boolean {
    return this.#paused
  }

  get reason(): Error | null {
    return this.#reason
  }

  get rawHeaders(): NonNullable<InnerController['rawHeaders']> | null {
    return this.#inner?.rawHeaders ?? null
  }

  get rawTrailers(): NonNullable<InnerController['rawTrailers']> | null {
    return this.#inner?.rawTrailers ?? null
  }

  abort(reason: Error): void {
    if (this.aborted) return
    this.#reason = reason
    this.#waiting?.abort(reason)
    this.#inner?.abort(reason)
  }

  #signal(): AbortSignal {
    this.#waiting ??= new AbortController()
    if (this.#reason !== null) this.#waiting.abort(this.#reason)
    return this.#waiting.signal
  }

  pause(): void {
    this.#paused = true
    this.#inner?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#inner?.resume()
  }
}

/** What comes of one request. An answer that may not be the last is held until it is judged. */
class Attempt implements Handler {
  readonly #exchange: Exchange
  readonly #handler: Handler
  /** The token that the answer may say something about. */
  readonly #token: Token | undefined
  #held:
    | { status: number; headers: IncomingHttpHeaders; message: string | undefined; chunks: Buffer[] }
    | undefined
  #length = 0
  /** The answer is of no use any more; its rest is read and dropped, which keeps the connection. */
  #isDropped = false

  constructor(exchange: Exchange, handler: Handler, token: Token | undefined) {
    this.#exchange = exchange
    this.#handler = handler
    this.#token = token
  }

  onRequestStart(controller: InnerController): void {
    this.#exchange.adopt(controller)
  }

  onRequestUpgrade(_: InnerController, status: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    this.#handler.onRequestUpgrade?.(this.#exchange, status, headers, socket)
  }

  onResponseStart(_: InnerController, status: number, headers: IncomingHttpHeaders, message?: string): void {
    if (this.#token === undefined || status < 400) {
      if (this.#token !== undefined) this.#exchange.note(headers)
      this.#handler.onResponseStart?.(this.#exchange, status, headers, message)
      return
    }
    this.#held = { status, headers, message, chunks: [] }
    if (!bodyCounts(status)) this.#judge()
  }

  onResponseData(_: InnerController, chunk: Buffer): void {
    if (this.#isDropped) return
    if (this.#held === undefined) {
      this.#handler.onResponseData?.(this.#exchange, chunk)
      return
    }
    this.#held.chunks.push(Buffer.from(chunk))
    this.#length += chunk.length
    if (this.#length >= enough()) this.#judge()
  }

  onResponseEnd(_: InnerController, trailers: IncomingHttpHeaders): void {
    this.#judge()
    if (!this.#isDropped) this.#handler.onResponseEnd?.(this.#exchange, trailers)
  }

  onResponseError(_: InnerController, error: Error): void {
    // A body that breaks off is judged by what came of it.
    if (!this.#exchange.aborted) this.#judge()
    if (!this.#isDropped) this.#exchange.fail(error)
  }

  #judge(): void {
    const held = this.#held
    if (held === undefined || this.#token === undefined) return
    this.#held = undefined
    const { status, headers, message, chunks } = held
    const body = Buffer.concat(chunks)
    this.#isDropped = this.#exchange.drops(this.#token, { status, headers, body })
    if (this.#isDropped) return
    this.#handler.onResponseStart?.(this.#exchange, status, headers, message)
    for (const chunk of chunks) this.#handler.onResponseData?.(this.#exchange, chunk)
  }
}

/** Every form that undici takes, as pairs. */
function entries(headers: Options['headers']): (readonly [string, string])[] {
  if (headers === undefined || headers === null) return []
  if (Array.isArray(headers)) {
    if (Array.isArray(headers[0])) return headers as unknown as [string, string][]
    const flat = headers as string[]
    return flat.flatMap((name, at) => (at % 2 === 0 ? [[String(name), flat[at + 1] ?? ''] as const] : []))
  }
  const pairs: Iterable<[string, string | string[] | undefined]> =
    Symbol.iterator in headers
      ? (headers as Iterable<[string, string | string[] | undefined]>)
      : Object.entries(headers as IncomingHttpHeaders)
  return [...pairs].flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => [name, String(one)] as const),
  )
}

/** Streams and generators are gone once they are read. */
function isReplayable(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return true
  return !(Symbol.asyncIterator in body || 'getReader' in body || 'next' in body)
}
