import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { ApiCall, bodyCounts, enough, isSameOrigin } from './calls.cjs'
import { type ApiResponse, header, LIMIT_INFO } from './classification.cjs'
import type { Client } from './client.cjs'
import { changesHost } from './errors.cjs'
import { isPlainPath } from './routes.cjs'
import { scrub } from './scrub.cjs'
import type { Token } from './token.cjs'
import { Carried } from './undici-origin.cjs'

type Options = Dispatcher.DispatchOptions
type Handler = Dispatcher.DispatchHandler
type InnerController = Dispatcher.DispatchController

/** One request of the user's, which may become several. Of the two forms that undici's handlers have it knows none. */
abstract class Exchange {
  protected readonly handler: Handler
  readonly #client: Client
  readonly #dispatch: Dispatcher['dispatch']
  readonly #options: Options
  /** Most requests have their token at once, and an answer that needs no judging. */
  #call: ApiCall | undefined
  /** Ends the waiting for a token, or for a busy service; most requests wait for neither. */
  #waiting: AbortController | undefined
  #isAborted = false
  #reason: Error | undefined
  #isSettled = false
  /** The token that was sent last. */
  #token: Token | undefined
  /** Where it went. */
  #origin = ''

  constructor(client: Client, dispatch: Dispatcher['dispatch'], options: Options, handler: Handler) {
    this.handler = handler
    this.#client = client
    this.#dispatch = dispatch
    this.#options = options
  }

  /** What takes in the answer to one request that carried a token, or none. */
  protected abstract attempt(carried: Carried | undefined): Handler
  protected abstract failed(error: Error): void
  /** Aborts the request that is under way. */
  protected abstract stop(reason: Error | undefined): void

  protected send(): void {
    const kept = this.#call === undefined ? this.#client.kept() : this.#call.kept()
    if (kept === undefined) {
      this.#started()
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

  #started(): ApiCall {
    const { method, body } = this.#options
    this.#call ??= new ApiCall(this.#client, method, isReplayable(body), () => this.#signal())
    return this.#call
  }

  #sendWith(token: Token): void {
    if (this.#isAborted) throw this.#reason ?? new DOMException('This operation was aborted', 'AbortError')
    const { headers } = this.#options
    const { origin, path, carries } = this.#target(token)
    const authorized = carries ? withAuthorization(headers, token.authorization) : undefined
    // Node 20 takes twenty times as long for a literal that begins with a spread.
    const options = Object.assign({}, this.#options, { origin, path, headers: authorized ?? headers ?? null })
    const carried = authorized === undefined ? undefined : new Carried(this.#client, token)
    this.#token = carried?.token
    this.#origin = origin
    try {
      this.#dispatch(options, this.attempt(carried))
    } catch (error) {
      carried?.end()
      throw error
    }
  }

  /** No origin stands for the token's instance. */
  #target(token: Token): { origin: string; path: string; carries: boolean } {
    const { origin, path } = this.#options
    const base =
      origin === undefined ? token.instanceUrl : origin instanceof URL ? origin.origin : String(origin)
    const { url, carries } = this.#client.route(token, base.endsWith('/') ? base : `${base}/`)
    const there = url.startsWith(`${token.instanceUrl}/`) ? token.instanceUrl : new URL(url).origin
    if (!carries || isPlainPath(path)) return { origin: there, path, carries }
    // What a server or a proxy could read as another host: `@host/`, or a whole URL.
    const whole = this.#client.route(token, there + path)
    if (!whole.carries || !isSameOrigin(whole.url, there)) throw changesHost()
    return { origin: there, path: whole.url.slice(there.length), carries }
  }

  /** What an answer tells about the org's limits. */
  note(limitInfo: string | undefined): void {
    if (this.#call === undefined) this.#client.noteAccepted(this.#origin)
    else this.#call.served(this.#origin)
    if (limitInfo !== undefined) this.#client.noteLimitInfo(limitInfo)
  }

  /** Whether an answer is dropped: then the request is sent again, or has failed. */
  drops(token: Token, answer: ApiResponse): boolean {
    const again = this.#started().judge(token, this.#origin, answer)
    again?.then(
      () => this.send(),
      (error) => this.fail(error),
    )
    return again !== undefined
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

  protected attempt(carried: Carried | undefined): Handler {
    return new CurrentAttempt(this, this.handler, carried)
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

/** What comes of one request. An answer that may not be the last is held until it is judged. */
class CurrentAttempt implements Handler {
  readonly #exchange: CurrentExchange
  readonly #handler: Handler
  /** The token that the answer may say something about. */
  readonly #carried: Carried | undefined
  #held:
    | { status: number; headers: IncomingHttpHeaders; message: string | undefined; chunks: Buffer[] }
    | undefined
  #length = 0
  /** The answer is of no use any more; its rest is read and dropped, which keeps the connection. */
  #isDropped = false

  constructor(exchange: CurrentExchange, handler: Handler, carried: Carried | undefined) {
    this.#exchange = exchange
    this.#handler = handler
    this.#carried = carried
  }

  onRequestStart(controller: InnerController): void {
    this.#exchange.adopt(controller)
  }

  onRequestUpgrade(_: InnerController, status: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    this.#carried?.end()
    this.#handler.onRequestUpgrade?.(this.#exchange, status, headers, socket)
  }

  onResponseStart(_: InnerController, status: number, headers: IncomingHttpHeaders, message?: string): void {
    if (this.#carried === undefined || status < 400) {
      if (this.#carried !== undefined) this.#exchange.note(header(headers, LIMIT_INFO))
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
    this.#carried?.end()
    this.#judge()
    if (!this.#isDropped) this.#handler.onResponseEnd?.(this.#exchange, trailers)
  }

  onResponseError(_: InnerController, error: Error): void {
    this.#carried?.end()
    // A body that breaks off is judged by what came of it.
    if (!this.#exchange.aborted) this.#judge()
    if (!this.#isDropped) this.#exchange.fail(error)
  }

  #judge(): void {
    const held = this.#held
    if (held === undefined || this.#carried === undefined) return
    this.#held = undefined
    const { status, headers, message, chunks } = held
    const body = Buffer.concat(chunks)
    this.#isDropped = this.#exchange.drops(this.#carried.token, { status, headers, body })
    if (this.#isDropped) return
    this.#handler.onResponseStart?.(this.#exchange, status, headers, message)
    for (const chunk of chunks) this.#handler.onResponseData?.(this.#exchange, chunk)
  }
}

type Abort = (reason?: Error) => void
type RawHeaders = readonly (Buffer | string | readonly (Buffer | string)[])[]

/** With handlers of the form that undici 7 has beneath: headers as they came, and a return value for "wait". */
export class LegacyExchange extends Exchange {
  #abort: Abort | undefined

  start(): void {
    const connect = this.handler.onConnect as (abort: Abort, context: object) => void
    connect.call(this.handler, (reason) => this.abort(reason), {})
    this.send()
  }

  protected attempt(carried: Carried | undefined): Handler {
    return new LegacyAttempt(this, this.handler, carried) as Handler
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

class LegacyAttempt {
  readonly #exchange: LegacyExchange
  readonly #handler: Handler
  readonly #carried: Carried | undefined
  #held:
    | { status: number; headers: Buffer[]; resume: () => void; message: string; chunks: Buffer[] }
    | undefined
  #length = 0
  #isDropped = false

  constructor(exchange: LegacyExchange, handler: Handler, carried: Carried | undefined) {
    this.#exchange = exchange
    this.#handler = handler
    this.#carried = carried
  }

  onConnect(abort: Abort): void {
    this.#exchange.adopt(abort)
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onUpgrade(status: number, headers: Buffer[] | string[] | null, socket: Duplex): void {
    this.#carried?.end()
    this.#handler.onUpgrade?.(status, headers, socket)
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void, message: string): boolean | undefined {
    if (this.#carried === undefined || status < 400) {
      if (this.#carried !== undefined) this.#exchange.note(rawValue(headers, LIMIT_INFO))
      return this.#handler.onHeaders?.(status, headers, resume, message)
    }
    this.#held = { status, headers, resume, message, chunks: [] }
    return bodyCounts(status) ? true : this.#judge()
  }

  onData(chunk: Buffer): boolean | undefined {
    if (this.#isDropped) return true
    if (this.#held === undefined) return this.#handler.onData?.(chunk)
    this.#held.chunks.push(Buffer.from(chunk))
    this.#length += chunk.length
    return this.#length >= enough() ? this.#judge() : true
  }

  onComplete(trailers: string[] | null): void {
    this.#carried?.end()
    this.#judge()
    if (!this.#isDropped) this.#handler.onComplete?.(trailers)
  }

  onError(error: Error): void {
    this.#carried?.end()
    if (!this.#exchange.aborted) this.#judge()
    if (!this.#isDropped) this.#exchange.fail(error)
  }

  /** Whether the next part of the answer may come at once. */
  #judge(): boolean | undefined {
    const held = this.#held
    if (held === undefined || this.#carried === undefined) return true
    this.#held = undefined
    const { status, headers, resume, message, chunks } = held
    const body = Buffer.concat(chunks)
    const judged = { get: (name: string) => rawValue(headers, name) }
    this.#isDropped = this.#exchange.drops(this.#carried.token, { status, headers: judged, body })
    if (this.#isDropped) return true
    let goesOn = this.#handler.onHeaders?.(status, headers, resume, message)
    for (const chunk of chunks) goesOn = this.#handler.onData?.(chunk)
    return goesOn
  }
}

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

/** Streams and generators are gone once they are read. */
function isReplayable(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return true
  return !(Symbol.asyncIterator in body || 'getReader' in body || 'next' in body)
}
