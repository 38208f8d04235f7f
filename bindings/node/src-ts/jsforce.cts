import { Connection, type ConnectionConfig, type HttpRequest, type HttpResponse, type Schema } from 'jsforce'
import type { Client } from './client.cjs'
import { noTokenGoesTo, notReplayable, TokenRejectedError } from './errors.cjs'
import { renewStreaming } from './streaming.cjs'
import type { Token } from './token.cjs'
import { ENOUGH, isTelling, usageIn, verdict } from './verdict.cjs'

/** What of a connection's configuration is not decided here. */
export type ConnectOptions<S extends Schema> = Omit<
  ConnectionConfig<S>,
  'accessToken' | 'instanceUrl' | 'oauth2' | 'refreshFn' | 'refreshToken' | 'sessionId' | 'serverUrl'
>

/**
 * A connection of jsforce whose session renews itself by the client: a dead session costs one login, and the request
 * goes out again, to the instance where the new token belongs. A token goes only where `client.mayCarry` says. Each
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
  const connection: Connection<S> = new Connection<S>({
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
    // Beside the caller, to whom a failure is told.
    answered.then(
      (response) => session.saw(request, response),
      () => {},
    )
    return answered
  }
  renewStreaming(connection, client)
  return connection
}

/** The token of a connection, and what is known of it. */
class Session {
  readonly #client: Client
  readonly #connection: { accessToken?: string | null | undefined; instanceUrl: string }
  #token: Token
  /** The instances that tokens of this connection belonged to: what was meant for one goes to the present one. */
  readonly #instances: Set<string>
  /** Whether the token has been refused, and whether it ever served. A first one may have lain about. */
  #isRefused = false
  #isProved = true
  /** Requests that went out, and so have no stream any more, with the token that they carried. */
  readonly #sent = new WeakMap<HttpRequest, Token | undefined>()
  #asked: Promise<Token>

  constructor(client: Client, token: Token, connection: Connection<Schema> | object) {
    this.#client = client
    this.#connection = connection as Connection
    this.#token = token
    this.#asked = Promise.resolve(token)
    this.#instances = new Set([token.instanceUrl])
  }

  /** Takes over the client's token. True if there is none, and a request has to {@link wait}. */
  isWaiting(): boolean {
    // Asked first: the answer of `cached` alone would never start the refresh of an aging token.
    this.#asked = this.#client.token()
    this.#asked.catch(() => {})
    const token = this.#client.cached()
    if (token === undefined) return true
    this.#adopt(token, true)
    return false
  }

  async wait(): Promise<void> {
    this.#adopt(await this.#asked, true)
  }

  async renew(): Promise<Token> {
    // A late report of an older token: the present one has not been refused.
    if (!this.#isRefused) return this.#token
    this.#client.invalidate(this.#token)
    if (!this.#isProved) throw freshRefused()
    const token = await this.#client.token()
    this.#adopt(token, false)
    return token
  }

  /** Before a request goes out, or goes out again. */
  prepare(request: HttpRequest): void {
    if (this.#sent.has(request)) {
      if (this.#sent.get(request) === undefined) throw refusedElsewhere()
      if (isGone(request)) throw notReplayable(401)
    }
    const url = new URL(request.url)
    if (this.#instances.has(url.origin)) {
      request.url = this.#token.instanceUrl + request.url.slice(url.origin.length)
    }
    const carries = this.#client.mayCarry(this.#token, request.url)
    if (!carries) {
      if (holds(request, this.#token)) throw noTokenGoesTo(url.host)
      request.headers = bare(request.headers)
    }
    this.#sent.set(request, carries ? this.#token : undefined)
  }

  /** Where a redirect leads: without the token if that is another origin, whose answer then says nothing about it. */
  redirected(request: HttpRequest, from: HttpRequest): HttpRequest {
    const url = new URL(request.url, from.url)
    const stays = url.origin === new URL(from.url).origin
    if (!stays) this.#sent.set(from, undefined)
    return { ...request, url: url.href, headers: (stays ? request.headers : bare(request.headers)) ?? {} }
  }

  saw(request: HttpRequest, { statusCode: status, headers, body }: HttpResponse): void {
    if (this.#sent.get(request) !== this.#token) return
    const usage = usageIn(headers)
    if (usage !== undefined) this.#client.noteUsage(usage)
    const text = typeof body === 'string' ? body.slice(0, ENOUGH) : ''
    if (status < 400) this.#isProved = true
    else if (isTelling(status) && verdict({ status, body: text }).verdict === 'session_expired') {
      this.#isRefused = true
      // jsforce renews nothing after a 403: the next request finds that there is no token.
      if (status === 403) this.#client.invalidate(this.#token)
    }
  }

  #adopt(token: Token, isProved: boolean): void {
    if (token === this.#token) return
    this.#token = token
    this.#instances.add(token.instanceUrl)
    this.#isRefused = false
    this.#isProved = isProved
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

/** A body that is a stream, or was written into the request's own. */
function isGone({ body, method }: HttpRequest): boolean {
  if (body === undefined || body === null) return /^(post|put|patch)$/i.test(method)
  return typeof body === 'object' && Symbol.asyncIterator in body
}

/** Whether jsforce wrote the token into the address or the body, as it does for SOAP and `identity`. */
function holds({ url, body }: HttpRequest, { accessToken }: Token): boolean {
  if (url.includes(accessToken) || url.includes(encodeURIComponent(accessToken))) return true
  return typeof body === 'string' && body.includes(accessToken)
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

function freshRefused(): TokenRejectedError {
  const help =
    "The API refused a token that was issued a moment ago: look at the API's answer, and try again later."
  return new TokenRejectedError({
    code: 'same_token_returned',
    kind: 'token',
    message: `a new token was refused too\n  ${help}`,
    help,
  })
}
