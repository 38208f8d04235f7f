// Where undici really sends a request that carries a token.
import { subscribe } from 'node:diagnostics_channel'
import type { ClientCalls } from './calls.cjs'
import { adapterError, tokenNotSentTo } from './errors.cjs'
import { isSameOrigin } from './resolve-url.cjs'
import type { Token } from './token.cjs'

/** What undici says of a request that it has made for a connection, before it sends anything of it. */
interface Made {
  /** Where it really goes. Before 7.16, where the caller said that it goes, and there was no `protocol`. */
  readonly origin: string
  readonly protocol?: string
  /** Names and values by turns. */
  headers: unknown[]
  /** Ends it: in undici 7, and in later ones. */
  onError?(error: Error): void
  onResponseError?(error: Error): void
}

/** The requests in flight with a token, by the header that they carry. */
const inFlight = new Map<string, Set<RequestWithToken>>()
let isWatching = false

/**
 * A request in flight that carries a token, from when it is given to a dispatcher until it is over.
 *
 * A Pool, a Client or a BalancedPool goes where it was made for, whatever `origin` a request names, and an interceptor
 * cannot see that. So each request is looked at once more when undici has made it for a connection: there it has the
 * origin that it really goes to. One that would take the token elsewhere ends in an error, and is not sent.
 *
 * @internal
 */
export class RequestWithToken {
  readonly #calls: ClientCalls
  readonly token: Token

  constructor(calls: ClientCalls, token: Token) {
    this.#calls = calls
    this.token = token
    if (!isWatching)
      subscribe('undici:request:create', (message) => check((message as { request: Made }).request))
    isWatching = true
    const { authorization } = token
    const others = inFlight.get(authorization)
    if (others === undefined) inFlight.set(authorization, new Set([this]))
    else others.add(this)
  }

  end(): void {
    const { authorization } = this.token
    const all = inFlight.get(authorization)
    if (all?.delete(this) && all.size === 0) inFlight.delete(authorization)
  }

  mayGoTo(origin: string): boolean {
    const { url, carriesToken } = this.#calls.resolveUrl(this.token, origin)
    return carriesToken && isSameOrigin(url, origin)
  }
}

function check(request: Made): void {
  // Requests of everybody in this process come by here, most of them without a token of ours.
  if (inFlight.size === 0 || !Array.isArray(request.headers)) return
  for (let at = 1; at < request.headers.length; at += 2) {
    const value = request.headers[at]
    const carried = typeof value === 'string' ? inFlight.get(value) : undefined
    if (carried === undefined) continue
    if (!('protocol' in request)) refuse(request, at, tooOld())
    else if (!some(carried, request.origin)) refuse(request, at, tokenNotSentTo(new URL(request.origin).host))
    return
  }
}

function some(all: Iterable<RequestWithToken>, origin: string): boolean {
  for (const carried of all) if (carried.mayGoTo(origin)) return true
  return false
}

function refuse(request: Made, at: number, error: Error): void {
  request.headers.splice(at - 1, 2)
  const end = request.onResponseError ?? request.onError
  end?.call(request, error)
}

function tooOld(): Error {
  const help = 'Install undici 7.16 or newer: older ones do not say where a request really goes.'
  return adapterError('api_access_refused', 'no token goes through this version of undici', help)
}
