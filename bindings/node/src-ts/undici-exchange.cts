// One request of an undici dispatcher, sent again if the core says so, in both forms that undici's handlers have.
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { ApiCall, bodyCounts, type ClientCalls, classifiedBytes, isReadOnce } from './calls.cjs'
import type { ApiResponse, HeadersLike } from './classification.cjs'
import { adapterError } from './errors.cjs'
import { isPlainPath, isSameOrigin } from './resolve-url.cjs'
import { scrub } from './scrub.cjs'
import type { Token } from './token.cjs'
import { RequestWithToken } from './undici-origin.cjs'

type Options = Dispatcher.DispatchOptions
type Handler = Dispatcher.DispatchHandler
type InnerController = Dispatcher.DispatchController

/** One request of the user's, which may become several. It knows neither form of undici's handlers. */
abstract class Exchange {
  protected readonly handler: Handler
  readonly #calls: ClientCalls
  readonly #call: ApiCall
  readonly #dispatch: Dispatcher['dispatch']
  readonly #options: Options
  /** Ends the waiting for a token, or for a busy service; most requests wait for neither. */
  #waiting: AbortController | undefined
  #isAborted = false
  #reason: Error | undefined
  #isSettled = false
  /** The token that was sent last. */
  #token: Token | undefined
  /** The origin that it was sent to. */
  #origin = ''

  constructor(calls: ClientCalls, dispatch: Dispatcher['dispatch'], options: Options, handler: Handler) {
    this.handler = handler
    this.#calls = calls
    this.#call = new ApiCall(calls, options.method, !isReadOnce(options.body), () => this.#signal())
    this.#dispatch = dispatch
    this.#options = options
  }

  /** What takes in the response to one request, with the token or without. */
  protected abstract attempt(request: RequestWithToken | undefined): Handler
  protected abstract failed(error: Error): void
  /** Aborts the request that is in flight. */
  protected abstract stop(reason: Error | undefined): void

  protected send(): void {
    const kept = this.#call.kept()
    if (kept === undefined) {
      this.#call
        .token()
        .then((token) => this.#sendWith(token))
        .catch((error: Error) => this.fail(error))
      return
    }
    try {
      this.#sendWith(kept)
    } catch (error) {
      this.fail(error as Error)
    }
  }

  #sendWith(token: Token): void {
    if (this.#isAborted) throw this.#reason ?? new DOMException('This operation was aborted', 'AbortError')
    const { headers } = this.#options
    const { origin, path, carriesToken } = this.#target(token)
    const authorized = carriesToken ? withAuthorization(headers, token.authorization) : undefined
    // Node 20 takes twenty times as long for a literal that begins with a spread.
    const options = Object.assign({}, this.#options, { origin, path, headers: authorized ?? headers ?? null })
    const request = authorized === undefined ? undefined : new RequestWithToken(this.#calls, token)
    this.#token = request?.token
    this.#origin = origin
    try {
      this.#dispatch(options, this.attempt(request))
    } catch (error) {
      request?.end()
      throw error
    }
  }

  /** Without an origin, the request goes to the token's instance. */
  #target(token: Token): { origin: string; path: string; carriesToken: boolean } {
    const { origin, path } = this.#options
    const base =
      origin === undefined ? token.instanceUrl : origin instanceof URL ? origin.origin : String(origin)
    const { url, carriesToken } = this.#calls.resolveUrl(token, base.endsWith('/') ? base : `${base}/`)
    const there = url.startsWith(`${token.instanceUrl}/`) ? token.instanceUrl : new URL(url).origin
    if (!carriesToken || isPlainPath(path)) return { origin: there, path, carriesToken }
    // A server or a proxy could read `@host/`, or a whole URL, as another host.
    const whole = this.#calls.resolveUrl(token, there + path)
    if (!whole.carriesToken || !isSameOrigin(whole.url, there)) {
      throw adapterError('invalid_option', 'the path of the call can be read as another host', PATH_HELP)
    }
    return { origin: there, path: whole.url.slice(there.length), carriesToken }
  }

  noteServed(headers: HeadersLike): void {
    this.#call.noteServed(this.#origin, headers)
  }

  /** Whether a response is dropped: then the request is sent again, or has failed. */
  drops(token: Token, response: ApiResponse): boolean {
    let paused: Promise<void>
    try {
      const pause = this.#call.handleResponse(token, this.#origin, response)
      if (pause === undefined) return false
      paused = this.#call.pause(pause)
    } catch (error) {
      paused = Promise.reject(error)
    }
    paused.then(
      () => this.send(),
      (error) => this.fail(error),
    )
    return true
  }

  fail(error: Error): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.failed(this.#token === undefined ? error : scrub(error, this.#token))
  }

  get aborted(): boolean {
    return this.#isAborted
  }

  get reason(): Error | null {
    return this.#reason ?? null
  }

  abort(reason?: Error | null): void {
    if (this.#isAborted) return
    this.#isAborted = true
    this.#reason = reason ?? undefined
    this.#waiting?.abort(this.#reason)
    this.stop(this.#reason)
  }

  #signal(): AbortSignal {
    this.#waiting ??= new AbortController()
    if (this.#isAborted) this.#waiting.abort(this.#reason)
    return this.#waiting.signal
  }
}

/** With handlers of the present form. */
export class CurrentExchange extends Exchange implements InnerController {
  #inner: InnerController | undefined
  #isPaused = false

  start(): void {
    // At once, so that a request that waits for its token can be cancelled.
    this.handler.onRequestStart?.(this, {})
    this.send()
  }

  protected attempt(request: RequestWithToken | undefined): Handler {
    return new CurrentAttempt(this, this.handler, request)
  }

  protected failed(error: Error): void {
    this.handler.onResponseError?.(this, error)
  }

  protected stop(reason: Error | undefined): void {
    this.#inner?.abort(reason as Error)
  }

  adopt(inner: InnerController): void {
    this.#inner = inner
    if (this.aborted) inner.abort(this.reason as Error)
    else if (this.#isPaused) inner.pause()
  }

  get paused(): boolean {
    return this.#isPaused
  }

  get rawHeaders(): NonNullable<InnerController['rawHeaders']> | null {
    return this.#inner?.rawHeaders ?? null
  }

  get rawTrailers(): NonNullable<InnerController['rawTrailers']> | null {
    return this.#inner?.rawTrailers ?? null
  }

  pause(): void {
    this.#isPaused = true
    this.#inner?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#inner?.resume()
  }
}

type Abort = (reason?: Error) => void
type RawHeaders = readonly (Buffer | string | readonly (Buffer | string)[])[]

/** With handlers of the form that undici 7 uses inside: raw headers, and a return value of false for "wait". */
export class LegacyExchange extends Exchange {
  #abort: Abort | undefined

  start(): void {
    const connect = this.handler.onConnect as (abort: Abort, context: object) => void
    connect.call(this.handler, (reason) => this.abort(reason), {})
    this.send()
  }

  protected attempt(request: RequestWithToken | undefined): Handler {
    return new LegacyAttempt(this, this.handler, request) as Handler
  }

  protected failed(error: Error): void {
    this.handler.onError?.(error)
  }

  protected stop(reason: Error | undefined): void {
    this.#abort?.(reason)
  }

  adopt(abort: Abort): void {
    this.#abort = abort
    if (this.aborted) abort(this.reason ?? undefined)
  }
}

/** Whether the next part of a response may come at once; undefined is yes. */
type Flow = boolean | undefined

/** The response to one request. One of 400 or more to a request with the token is held until it is classified. */
abstract class Attempt<E extends Exchange> {
  protected readonly exchange: E
  protected readonly handler: Handler
  protected readonly request: RequestWithToken | undefined
  #held: { status: number; headers: HeadersLike; start: () => Flow; chunks: Buffer[] } | undefined
  #length = 0
  /** The rest of a dropped response is read, which keeps the connection. */
  #isDropped = false

  constructor(exchange: E, handler: Handler, request: RequestWithToken | undefined) {
    this.exchange = exchange
    this.handler = handler
    this.request = request
  }

  /** Passes a part of the body on. */
  protected abstract pass(chunk: Buffer): Flow

  /** `start` passes the head of the response on. */
  protected head(status: number, headers: HeadersLike, start: () => Flow): Flow {
    if (this.request === undefined || status < 400) {
      if (this.request !== undefined) this.exchange.noteServed(headers)
      return start()
    }
    this.#held = { status, headers, start, chunks: [] }
    return bodyCounts(status) ? true : this.#release()
  }

  protected data(chunk: Buffer): Flow {
    if (this.#isDropped) return true
    if (this.#held === undefined) return this.pass(chunk)
    this.#held.chunks.push(Buffer.from(chunk))
    this.#length += chunk.length
    return this.#length >= classifiedBytes() ? this.#release() : true
  }

  /** `complete` passes the end of the response on. */
  protected end(complete: () => void): void {
    this.request?.end()
    this.#release()
    if (!this.#isDropped) complete()
  }

  protected error(error: Error): void {
    this.request?.end()
    // Of a body that breaks off, what had arrived is classified.
    if (!this.exchange.aborted) this.#release()
    if (!this.#isDropped) this.exchange.fail(error)
  }

  #release(): Flow {
    if (this.#held === undefined || this.request === undefined) return true
    const { status, headers, start, chunks } = this.#held
    this.#held = undefined
    this.#isDropped = this.exchange.drops(this.request.token, {
      status,
      headers,
      body: Buffer.concat(chunks),
    })
    if (this.#isDropped) return true
    let flow = start()
    for (const chunk of chunks) flow = this.pass(chunk)
    return flow
  }
}

class CurrentAttempt extends Attempt<CurrentExchange> implements Handler {
  onRequestStart(controller: InnerController): void {
    this.exchange.adopt(controller)
  }

  onRequestUpgrade(_: InnerController, status: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    this.request?.end()
    this.handler.onRequestUpgrade?.(this.exchange, status, headers, socket)
  }

  onResponseStart(_: InnerController, status: number, headers: IncomingHttpHeaders, message?: string): void {
    this.head(status, headers, () => {
      this.handler.onResponseStart?.(this.exchange, status, headers, message)
      return true
    })
  }

  onResponseData(_: InnerController, chunk: Buffer): void {
    this.data(chunk)
  }

  onResponseEnd(_: InnerController, trailers: IncomingHttpHeaders): void {
    this.end(() => this.handler.onResponseEnd?.(this.exchange, trailers))
  }

  onResponseError(_: InnerController, error: Error): void {
    this.error(error)
  }

  protected pass(chunk: Buffer): Flow {
    this.handler.onResponseData?.(this.exchange, chunk)
    return true
  }
}

class LegacyAttempt extends Attempt<LegacyExchange> {
  onConnect(abort: Abort): void {
    this.exchange.adopt(abort)
  }

  onResponseStarted(): void {
    this.handler.onResponseStarted?.()
  }

  onUpgrade(status: number, headers: Buffer[] | string[] | null, socket: Duplex): void {
    this.request?.end()
    this.handler.onUpgrade?.(status, headers, socket)
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void, message: string): Flow {
    const get = (name: string) => rawValue(headers, name)
    return this.head(status, { get }, () => this.handler.onHeaders?.(status, headers, resume, message))
  }

  onData(chunk: Buffer): Flow {
    return this.data(chunk)
  }

  onComplete(trailers: string[] | null): void {
    this.end(() => this.handler.onComplete?.(trailers))
  }

  onError(error: Error): void {
    this.error(error)
  }

  protected pass(chunk: Buffer): Flow {
    return this.handler.onData?.(chunk)
  }
}

const PATH_HELP =
  'Give a path that begins with one `/`, such as `/services/data/v67.0/limits`, and the host in `origin` or in a whole URL.'

/** Of headers as they came: names and values by turns. */
function rawValue(headers: RawHeaders, wanted: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]
    if (name?.length !== wanted.length || String(name).toLowerCase() !== wanted) continue
    const value = headers[at + 1] ?? ''
    return Array.isArray(value) ? value.map(String).join(', ') : String(value)
  }
  return undefined
}

/** The headers of a request with ours too, whichever form they have of those that undici takes; not if it has its own. */
function withAuthorization(given: Options['headers'], ours: string): Options['headers'] {
  if (given === undefined || given === null) return { authorization: ours }
  if (Array.isArray(given) || Symbol.iterator in given) {
    const flat = flattened(given as Iterable<unknown>)
    if (flat.some((name, at) => at % 2 === 0 && isAuthorization(name))) return undefined
    return [...flat, 'authorization', ours]
  }
  const headers = given as IncomingHttpHeaders
  for (const name of Object.keys(headers)) if (isAuthorization(name)) return undefined
  return Object.assign({}, headers, { authorization: ours })
}

/** Names and values by turns, of such or of pairs. */
function flattened(headers: Iterable<unknown>): string[] {
  const all = [...headers]
  if (!all.every(Array.isArray)) return all as string[]
  return (all as unknown as [string, string | string[]][]).flatMap(([name, value]) =>
    [value].flat().flatMap((one) => [name, String(one)]),
  )
}

function isAuthorization(name: string): boolean {
  return name.length === 13 && name.toLowerCase() === 'authorization'
}
