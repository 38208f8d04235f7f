import type * as Library from 'jsforce'
import type { Connection, ConnectionConfig, HttpRequest, HttpResponse, Schema } from 'jsforce'
import { ApiCall, bodyCounts, checkRenewed, enough, isSameOrigin, noteUsage } from './calls.cjs'
import type { Client } from './client.cjs'
import { makeError, noTokenGoesTo, TokenRejectedError } from './errors.cjs'
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
 * A connection of jsforce whose session renews itself by the client: a dead session costs one login, and the request
 * goes out again, to the instance where the new token belongs. A token goes only where `client.isAllowedFor` says. Each
 * request has the client's present token: one that was refreshed behind it, or that another caller found dead, is
 * replaced without a refusal. Streaming clients that the connection makes renew themselves too.
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
    const answered = send(request, { ...sending, followRedirect: followRedirect === false ? false : follow })
    const judged = answered.then(
      (response) => {
        session.judge(request, response)
        return response
      },
      // jsforce writes the address into such an error, and the token into some addresses.
      (error: unknown) => Promise.reject(session.scrub(request, error)),
    )
    return Object.assign(judged, { stream: () => answered.stream() })
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
    // Asked first: the answer of `cached` alone would never start the refresh of an aging token.
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
      if (before.token === undefined) throw refusedElsewhere()
      if (before.token === this.#token) throw notRenewed()
    }
    const { url, carries } = this.#client.route(this.#token, request.url)
    request.url = url
    if (!carries) {
      if (holds(request, this.#token)) throw noTokenGoesTo(new URL(url).host)
      request.headers = bare(request.headers)
    }
    const token = carries ? this.#token : undefined
    const call = before?.call ?? this.#call(request)
    call.use(this.#token)
    this.#sent.set(request, { token, call })
  }

  /** Where a redirect leads: without the token if that is another origin, whose answer then says nothing about it. */
  redirected(request: HttpRequest, from: HttpRequest): HttpRequest {
    const token = this.#sent.get(from)?.token
    let url = new URL(request.url, from.url).href
    let stays = token !== undefined && isSameOrigin(url, from.url)
    if (token !== undefined && stays) {
      const route = this.#client.route(token, url)
      url = route.url
      stays = route.carries
    }
    if (!stays) this.#sent.set(from, { token: undefined, call: this.#call(from) })
    return { ...request, url, headers: (stays ? request.headers : bare(request.headers)) ?? {} }
  }

  scrub(request: HttpRequest, error: unknown): unknown {
    return scrub(error, this.#sent.get(request)?.token ?? this.#token)
  }

  /** An answer, before jsforce sees it. Throws what the request ends in. */
  judge(request: HttpRequest, { statusCode: status, headers, body: text }: HttpResponse): void {
    const sent = this.#sent.get(request)
    if (sent?.token === undefined) return
    if (status < 400) {
      noteUsage(this.#client, request.url, headers, sent.call)
      return
    }
    const body = bodyCounts(status) && typeof text === 'string' ? text.slice(0, enough()) : ''
    // jsforce repeats what a busy service refuses by options of its own.
    const { step, error } = sent.call.handle(sent.token, request.url, { status, headers, body }, false)
    if (step === 'fail' && error !== undefined) throw makeError(error)
    if (step === 'resend' && sent.token === this.#token) this.#isRefused = true
  }

  #call(request: HttpRequest): ApiCall {
    return new ApiCall(this.#client, request.method, !isStream(request), () => undefined)
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
  return typeof body === 'object' && Symbol.asyncIterator in body
}

/** Whether jsforce wrote the token into the address or the body, as it does for SOAP and `identity`. */
function holds({ url, body }: HttpRequest, { accessToken }: Token): boolean {
  if (url.includes(accessToken) || url.includes(encodeURIComponent(accessToken))) return true
  return typeof body === 'string' && body.includes(accessToken)
}

function notRenewed(): TokenRejectedError {
  const help =
    'A new token does not cure it: look at the app, at the audience of its tokens, and at the API that was called.'
  return new TokenRejectedError({
    code: 'api_access_refused',
    kind: 'token',
    message: `the API refused the token, whose session is alive\n  ${help}`,
    httpStatus: 401,
    help,
  })
}

function refusedElsewhere(): TokenRejectedError {
  const help = 'No token went there. If the host is yours, name it in the option `trustedHosts`.'
  return new TokenRejectedError({
    code: 'api_access_refused',
    kind: 'token',
    message: `a host that the token is not for refused the request\n  ${help}`,
    httpStatus: 401,
    help,
  })
}
