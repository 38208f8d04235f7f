import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Client } from './client.cjs'
import { notReplayable } from './errors.cjs'
import type { Token } from './token.cjs'
import { ENOUGH, isTelling, usageIn, verdict } from './verdict.cjs'

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
  return (dispatch) => (options, handler) => {
    new Exchange(client, dispatch, options, handler).start()
    return true
  }
}

/** One request of the user's, which may become two. */
class Exchange implements InnerController {
  readonly #client: Client
  readonly #dispatch: Dispatcher['dispatch']
  readonly #options: Options
  readonly #handler: Handler
  /** Ends the waiting for a token. */
  readonly #waiting = new AbortController()
  #inner: InnerController | undefined
  #paused = false
  #settled = false

  constructor(client: Client, dispatch: Dispatcher['dispatch'], options: Options, handler: Handler) {
    this.#client = client
    this.#dispatch = dispatch
    this.#options = options
    this.#handler = handler
  }

  start(): void {
    // At once, so that a request that waits for its token can be cancelled.
    this.#handler.onRequestStart?.(this, {})
    this.#send().catch((error) => this.fail(error))
  }

  /** Sends the request; `before` is the token that the first was sent with. */
  async #send(before?: Token): Promise<void> {
    const given = entries(this.#options.headers)
    const token = await this.#client.token({ signal: this.#waiting.signal })
    const origin = target(this.#options.origin, token, before)
    const options: Options = { ...this.#options, origin }
    const isOwn = given.some(([name]) => name.toLowerCase() === 'authorization')
    const carried = !isOwn && this.#client.mayCarry(token, new URL(origin))
    if (carried) options.headers = [...given, ['authorization', token.authorization] as const].flat()
    this.#dispatch(
      options,
      new Attempt(this, this.#handler, carried ? token : undefined, before === undefined),
    )
  }

  /** What an answer tells about the org's limits. */
  note(headers: IncomingHttpHeaders): void {
    const usage = usageIn(headers)
    if (usage !== undefined) this.#client.noteUsage(usage)
  }

  /** The session of the token is dead. True: the request is sent again, or has failed. */
  renew(token: Token, status: number): boolean {
    this.#client.invalidate(token)
    if (status === 403) return false
    if (isReplayable(this.#options.body)) this.#send(token).catch((error) => this.fail(error))
    else this.fail(notReplayable(status))
    return true
  }

  adopt(inner: InnerController): void {
    this.#inner = inner
    if (this.#waiting.signal.aborted) inner.abort(this.reason as Error)
    else if (this.#paused) inner.pause()
  }

  fail(error: Error): void {
    if (this.#settled) return
    this.#settled = true
    this.#handler.onResponseError?.(this, error)
  }

  get aborted(): boolean {
    return this.#waiting.signal.aborted
  }

  get paused(): boolean {
    return this.#paused
  }

  get reason(): Error | null {
    return this.aborted ? this.#waiting.signal.reason : null
  }

  get rawHeaders(): NonNullable<InnerController['rawHeaders']> | null {
    return this.#inner?.rawHeaders ?? null
  }

  get rawTrailers(): NonNullable<InnerController['rawTrailers']> | null {
    return this.#inner?.rawTrailers ?? null
  }

  abort(reason: Error): void {
    if (this.aborted) return
    this.#waiting.abort(reason)
    this.#inner?.abort(reason)
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

/** What comes of one request. An answer that may tell of a dead session is held until it is judged. */
class Attempt implements Handler {
  readonly #exchange: Exchange
  readonly #handler: Handler
  /** The token that the answer may say something about. */
  readonly #token: Token | undefined
  readonly #isFirst: boolean
  #held:
    | { status: number; headers: IncomingHttpHeaders; message: string | undefined; chunks: Buffer[] }
    | undefined
  #length = 0
  /** The answer is of no use any more; its rest is read and dropped, which keeps the connection. */
  #isExpired = false

  constructor(exchange: Exchange, handler: Handler, token: Token | undefined, isFirst: boolean) {
    this.#exchange = exchange
    this.#handler = handler
    this.#token = token
    this.#isFirst = isFirst
  }

  onRequestStart(controller: InnerController): void {
    this.#exchange.adopt(controller)
  }

  onRequestUpgrade(_: InnerController, status: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    this.#handler.onRequestUpgrade?.(this.#exchange, status, headers, socket)
  }

  onResponseStart(_: InnerController, status: number, headers: IncomingHttpHeaders, message?: string): void {
    if (this.#token !== undefined) this.#exchange.note(headers)
    if (this.#token !== undefined && this.#isFirst && isTelling(status)) {
      this.#held = { status, headers, message, chunks: [] }
    } else {
      this.#handler.onResponseStart?.(this.#exchange, status, headers, message)
    }
  }

  onResponseData(_: InnerController, chunk: Buffer): void {
    if (this.#isExpired) return
    if (this.#held === undefined) {
      this.#handler.onResponseData?.(this.#exchange, chunk)
      return
    }
    this.#held.chunks.push(Buffer.from(chunk))
    this.#length += chunk.length
    if (this.#length >= ENOUGH) this.#judge()
  }

  onResponseEnd(_: InnerController, trailers: IncomingHttpHeaders): void {
    if (this.#held !== undefined && !this.#isExpired) this.#judge()
    if (this.#isExpired && this.#renewed()) return
    this.#handler.onResponseEnd?.(this.#exchange, trailers)
  }

  onResponseError(_: InnerController, error: Error): void {
    // A body that breaks off is judged by what came of it.
    if (this.#held !== undefined && !this.#isExpired && !this.#exchange.aborted) this.#judge()
    if (this.#isExpired && !this.#exchange.aborted && this.#renewed()) return
    this.#exchange.fail(error)
  }

  #judge(): void {
    const held = this.#held
    if (held === undefined) return
    const { status, headers } = held
    const body = Buffer.concat(held.chunks)
    this.#isExpired = verdict({ status, headers, body }).verdict === 'session_expired'
    // A 403 is handed out all the same, once the token is dropped.
    if (this.#isExpired && status === 403) {
      this.#isExpired = false
      if (this.#token !== undefined) this.#exchange.renew(this.#token, status)
    }
    if (!this.#isExpired) this.#release()
  }

  #release(): void {
    const held = this.#held
    if (held === undefined) return
    this.#held = undefined
    this.#handler.onResponseStart?.(this.#exchange, held.status, held.headers, held.message)
    for (const chunk of held.chunks) this.#handler.onResponseData?.(this.#exchange, chunk)
  }

  #renewed(): boolean {
    return this.#token !== undefined && this.#exchange.renew(this.#token, this.#held?.status ?? 401)
  }
}

/** None stands for the token's instance. What went to the instance before goes where that is now. */
function target(origin: Options['origin'], token: Token, before: Token | undefined): string {
  if (origin === undefined) return token.instanceUrl
  const wanted = new URL(String(origin)).origin
  if (before?.instanceUrl !== undefined && wanted === new URL(before.instanceUrl).origin)
    return token.instanceUrl
  const api = before?.apiInstanceUrl
  if (api !== undefined && wanted === new URL(api).origin) return token.apiInstanceUrl ?? wanted
  return wanted
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
