// The adapter for jsforce: a connection that sends the present token, and renews it.
import type * as Library from 'jsforce'
import type { Connection, ConnectionConfig, HttpRequest, HttpResponse, Schema } from 'jsforce'
import { ApiCall, bodyCounts, checkRenewed, classifiedBytes, isReadOnce } from './calls.cjs'
import type { Client } from './client.cjs'
import { adapterError, tokenNotSentTo } from './errors.cjs'
import { peer } from './peer.cjs'
import { conceal, scrub } from './scrub.cjs'
import { renewStreaming } from './streaming.cjs'
import type { Token } from './token.cjs'

const jsforce = peer('forcegrant/jsforce', 'jsforce', () => require('jsforce') as typeof Library)

/** What of a connection's configuration is not decided here. */
export type ConnectOptions<S extends Schema> = Omit<
  ConnectionConfig<S>,
  'accessToken' | 'instanceUrl' | 'oauth2' | 'refreshFn' | 'refreshToken' | 'sessionId' | 'serverUrl'
>

/**
 * A connection of jsforce whose session renews itself by the client: an expired session costs one login, and the request
 * goes out again, to the instance where the new token belongs. A token goes only where `client.isAllowedFor` says. Each
 * request has the client's current token: one that was refreshed behind it, or whose session another caller found expired, is
 * replaced before it is refused. Streaming clients that the connection makes renew themselves too.
 *
 * What goes wrong with a login after a refusal reaches the caller in the words of jsforce ("Unable to refresh session
 * due to"), with the message of this package; `client.status().lastError` has the error itself. Do not call `logout`:
 * it ends the session for everybody who shares the app and its user.
 */
export async function connect<S extends Schema = Schema>(
  client: Client,
  options?: ConnectOptions<S> | null,
): Promise<Connection<S>> {
  const first = await client.token()
  const connection: Connection<S> = new jsforce.Connection<S>({
    ...options,
    accessToken: first.accessToken,
    instanceUrl: first.instanceUrl,
    refreshFn: (_, callback) => {
      session.renew().then(
        (token) => callback(null, token.accessToken),
        (error: Error) => callback(error),
      )
    },
  })
  const session = new Session(client, first, connection)
  const delegate = connection._refreshDelegate
  if (delegate) {
    // jsforce asks these before each request: where it would wait for its own renewal, it waits for any token.
    const isRefreshing = delegate.isRefreshing.bind(delegate)
    const waitRefresh = delegate.waitRefresh.bind(delegate)
    delegate.isRefreshing = () => isRefreshing() || session.isWaiting()
    delegate.waitRefresh = () => (isRefreshing() ? waitRefresh() : session.wait())
  }
  const transport = connection._transport
  const send = transport.httpRequest.bind(transport)
  transport.httpRequest = (request, sending = {}) => {
    session.prepare(request)
    const { followRedirect } = sending
    const follow = (to: string) => {
      const given = typeof followRedirect === 'function' ? followRedirect(to) : next(request, to)
      return given && session.redirected(given, request)
    }
    const responded = send(request, { ...sending, followRedirect: followRedirect === false ? false : follow })
    const handled = responded.then(
      (response) => {
        session.handleResponse(request, response)
        return response
      },
      // jsforce writes the address into such an error, and the token into some addresses.
      (error: unknown) => Promise.reject(session.scrub(request, error)),
    )
    return Object.assign(handled, { stream: () => responded.stream() })
  }
  renewStreaming(connection, client, () => session.isWaiting())
  return connection
}

/** A request as it went out. */
interface Sent {
  /** The token that it carried, if it did. */
  readonly token: Token | undefined
  readonly call: ApiCall
}

/** The token of a connection, and what is known of it. */
class Session {
  readonly #client: Client
  readonly #connection: { accessToken?: string | null | undefined; instanceUrl: string }
  #token: Token
  #isRefused = false
  readonly #sent = new WeakMap<HttpRequest, Sent>()
  #asked: Promise<Token>

  constructor(client: Client, token: Token, connection: Connection<Schema> | object) {
    this.#client = client
    this.#connection = connection as Connection
    this.#token = token
    this.#asked = Promise.resolve(token)
    conceal(connection, 'accessToken')
  }

  /** Takes over the client's token. True if there is none, and a request has to {@link wait}. */
  isWaiting(): boolean {
    const kept = this.#client.kept()
    if (kept !== undefined) {
      this.#adopt(kept)
      return false
    }
    // First, because `cached` alone would never start the refresh of a token.
    this.#asked = this.#client.token()
    this.#asked.catch(() => {})
    const token = this.#client.cached()
    if (token === undefined) return true
    this.#adopt(token)
    return false
  }

  async wait(): Promise<void> {
    this.#adopt(await this.#asked)
  }

  async renew(): Promise<Token> {
    const before = this.#token
    // A late report of an older token: the present one has not been refused.
    if (!this.#isRefused) return before
    const token = await this.#client.token()
    checkRenewed(before, token)
    this.#adopt(token)
    return token
  }

  /** Before a request goes out, or goes out again. */
  prepare(request: HttpRequest): void {
    const before = this.#sent.get(request)
    if (before !== undefined) {
      // jsforce would ask again for ever where nothing was renewed.
      if (before.token === undefined)
        throw refusal('a host to which no token is sent refused the request', OTHER_HOST)
      if (before.token === this.#token)
        throw refusal('the API refused the token, whose session is valid', NOT_CURED)
    }
    const call = before?.call ?? this.#call(request)
    const { url, carriesToken } = call.resolveUrl(this.#token, request.url)
    request.url = url
    if (!carriesToken) {
      if (holds(request, this.#token)) throw tokenNotSentTo(new URL(url).host)
      request.headers = bare(request.headers)
    }
    const token = carriesToken ? this.#token : undefined
    call.useToken(this.#token)
    this.#sent.set(request, { token, call })
  }

  /** Where a redirect leads: without the token if that is another origin, whose response then says nothing about it. */
  redirected(request: HttpRequest, from: HttpRequest): HttpRequest {
    const { token, call } = this.#sent.get(from) ?? {}
    const to = new URL(request.url, from.url).href
    const { url, carriesToken } = (token && call?.resolveRedirect(token, from.url, to)) ?? {
      url: to,
      carriesToken: false,
    }
    if (!carriesToken) this.#sent.set(from, { token: undefined, call: this.#call(from) })
    return { ...request, url, headers: (carriesToken ? request.headers : bare(request.headers)) ?? {} }
  }

  scrub(request: HttpRequest, error: unknown): unknown {
    return scrub(error, this.#sent.get(request)?.token ?? this.#token)
  }

  /** Takes a response before jsforce sees it. Throws the error that the request ends in. */
  handleResponse(request: HttpRequest, { statusCode: status, headers, body: text }: HttpResponse): void {
    const { token, call } = this.#sent.get(request) ?? {}
    if (token === undefined || call === undefined) return
    if (status < 400) {
      call.noteServed(request.url, headers)
      return
    }
    const body = bodyCounts(status) && typeof text === 'string' ? text.slice(0, classifiedBytes()) : ''
    const pause = call.handleResponse(token, request.url, { status, headers, body })
    if (pause !== undefined && token === this.#token) this.#isRefused = true
  }

  #call(request: HttpRequest): ApiCall {
    // jsforce repeats by itself what a busy service refuses.
    return new ApiCall(this.#client.calls, request.method, !isStream(request), () => undefined, false)
  }

  #adopt(token: Token): void {
    if (token === this.#token) return
    this.#token = token
    this.#isRefused = false
    this.#connection.accessToken = token.accessToken
    this.#connection.instanceUrl = token.instanceUrl
  }
}

/** As jsforce has it. */
function next(from: HttpRequest, url: string): HttpRequest {
  return { method: 'GET', url, headers: from.headers ?? {} }
}

function bare(headers: HttpRequest['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).filter(([name]) => !/^(authorization|cookie|x-sfdc-session)$/i.test(name)),
  )
}

/** A body that is a stream, or is written into the request's own. */
function isStream({ body, method }: HttpRequest): boolean {
  if (body === undefined || body === null) return /^(post|put|patch)$/i.test(method)
  return isReadOnce(body)
}

/** Whether jsforce wrote the token into the address or the body, as it does for SOAP and `identity`. */
function holds({ url, body }: HttpRequest, { accessToken }: Token): boolean {
  if (url.includes(accessToken) || url.includes(encodeURIComponent(accessToken))) return true
  return typeof body === 'string' && body.includes(accessToken)
}

const NOT_CURED =
  'A new token does not cure it: look at the app, at the audience of its tokens, and at the API that was called.'
const OTHER_HOST = 'If the host is yours, name it in the option `trustedHosts`.'

function refusal(message: string, help: string): Error {
  return adapterError('api_access_refused', message, help, { httpStatus: 401 })
}
