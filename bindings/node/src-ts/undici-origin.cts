import { subscribe } from 'node:diagnostics_channel'
import { isSameOrigin } from './calls.cjs'
import type { Client } from './client.cjs'
import { noTokenGoesTo } from './errors.cjs'
import type { Token } from './token.cjs'

/** What undici tells of a request that it has made for a connection, before it sends anything of it. */
interface Made {
  readonly origin: string
  /** Names and values by turns. */
  headers: unknown[]
  /** Ends it: in undici 7, and in later ones. */
  onError?(error: Error): void
  onResponseError?(error: Error): void
}

/** The requests under way with a token, by the header that they carry. */
const underWay = new Map<string, Set<Carried>>()
let isWatching = false

/**
 * A request under way that carries a token, from when it is given to a dispatcher until it is over.
 *
 * A Pool, a Client or a BalancedPool goes where it was made for, whatever `origin` a request names, and an interceptor
 * cannot see that. So each request is looked at once more when undici has made it for a connection: there it has the
 * origin that it really goes to. One that would take the token elsewhere ends in an error, and is not sent.
 *
 * @internal
 */
export class Carried {
  readonly #client: Client
  readonly token: Token

  constructor(client: Client, token: Token) {
    this.#client = client
    this.token = token
    if (!isWatching)
      subscribe('undici:request:create', (message) => check((message as { request: Made }).request))
    isWatching = true
    const { authorization } = token
    const others = underWay.get(authorization)
    if (others === undefined) underWay.set(authorization, new Set([this]))
    else others.add(this)
  }

  end(): void {
    const { authorization } = this.token
    const all = underWay.get(authorization)
    if (all?.delete(this) && all.size === 0) underWay.delete(authorization)
  }

  mayGoTo(origin: string): boolean {
    const { url, carries } = this.#client.route(this.token, origin)
    return carries && isSameOrigin(url, origin)
  }
}

function check(request: Made): void {
  // Requests of everybody in this process come by here, most of them without a token of ours.
  if (underWay.size === 0 || !Array.isArray(request.headers)) return
  for (let at = 1; at < request.headers.length; at += 2) {
    const value = request.headers[at]
    const carried = typeof value === 'string' ? underWay.get(value) : undefined
    if (carried === undefined || some(carried, request.origin)) continue
    refuse(request, at)
    return
  }
}

function some(all: Iterable<Carried>, origin: string): boolean {
  for (const carried of all) if (carried.mayGoTo(origin)) return true
  return false
}

function refuse(request: Made, at: number): void {
  request.headers.splice(at - 1, 2)
  const end = request.onResponseError ?? request.onError
  end?.call(request, noTokenGoesTo(new URL(request.origin).host))
}
