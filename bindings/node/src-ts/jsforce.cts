import { Connection, type ConnectionConfig, type HttpRequest, type HttpResponse, type Schema } from 'jsforce'
import type { Client } from './client.cjs'
import { notReplayable, TokenRejectedError } from './errors.cjs'
import type { Token } from './token.cjs'
import { ENOUGH, isTelling, usageIn, verdict } from './verdict.cjs'

/** What of a connection's configuration is not decided here. */
export type ConnectOptions<S extends Schema> = Omit<
  ConnectionConfig<S>,
  'accessToken' | 'instanceUrl' | 'oauth2' | 'refreshFn' | 'refreshToken' | 'sessionId' | 'serverUrl'
>

/**
 * A connection of jsforce whose session renews itself by the client: a dead session costs one login, and the request
 * goes out again, to the instance where the new token belongs. A token goes only where `client.mayCarry` says.
 *
 * What goes wrong with a login reaches the caller in the words of jsforce ("Unable to refresh session due to"), with
 * the message of this package; `client.status().lastError` has the error itself. Do not call `logout`: it ends
 * the session for everybody who shares the app and its user.
 */
export async function connect<S extends Schema = Schema>(
  client: Client,
  options?: ConnectOptions<S> | null,
): Promise<Connection<S>> {
  const session = new Session(client, await client.token())
  const connection = new Connection<S>({
    ...options,
    accessToken: session.token.accessToken,
    instanceUrl: session.token.instanceUrl,
    refreshFn: (refreshed, callback) => {
      session.renew().then(
        (token) => {
          refreshed.instanceUrl = token.instanceUrl
          callback(null, token.accessToken)
        },
        (error: Error) => callback(error),
      )
    },
  })
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
  return connection
}

/** The token of a connection, and what is known of it. */
class Session {
  readonly #client: Client
  token: Token
  /** The instances that tokens of this connection belonged to: what was meant for one goes to the present one. */
  readonly #instances: Set<string>
  /** Whether the token has been refused, and whether it ever served. A first one may have lain about. */
  #isRefused = false
  #isProved = true
  /** Requests that went out, and so have no stream any more, with the token that they carried. */
  readonly #sent = new WeakMap<HttpRequest, Token | undefined>()

  constructor(client: Client, token: Token) {
    this.#client = client
    this.token = token
    this.#instances = new Set([token.instanceUrl])
  }

  async renew(): Promise<Token> {
    // A late report of an older token: the present one has not been refused.
    if (!this.#isRefused) return this.token
    this.#client.invalidate(this.token)
    if (!this.#isProved) throw freshRefused()
    const token = await this.#client.token()
    this.token = token
    this.#instances.add(token.instanceUrl)
    this.#isRefused = this.#isProved = false
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
      request.url = this.token.instanceUrl + request.url.slice(url.origin.length)
    }
    const carries = this.#client.mayCarry(this.token, request.url)
    if (!carries) request.headers = bare(request.headers)
    this.#sent.set(request, carries ? this.token : undefined)
  }

  /** Where a redirect leads: without the token if that is another origin, whose answer then says nothing about it. */
  redirected(request: HttpRequest, from: HttpRequest): HttpRequest {
    const url = new URL(request.url, from.url)
    const stays = url.origin === new URL(from.url).origin
    if (!stays) this.#sent.set(from, undefined)
    return { ...request, url: url.href, headers: (stays ? request.headers : bare(request.headers)) ?? {} }
  }

  saw(request: HttpRequest, { statusCode: status, headers, body }: HttpResponse): void {
    if (this.#sent.get(request) !== this.token) return
    const usage = usageIn(headers)
    if (usage !== undefined) this.#client.noteUsage(usage)
    const text = typeof body === 'string' ? body.slice(0, ENOUGH) : ''
    if (status < 400) this.#isProved = true
    else if (isTelling(status) && verdict({ status, body: text }).verdict === 'session_expired')
      this.#isRefused = true
  }
}

/** As jsforce has it. */
function next(from: HttpRequest, url: string): HttpRequest {
  return { method: 'GET', url, headers: from.headers ?? {} }
}

function bare(headers: HttpRequest['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).filter(([name]) => !/^(authorization|cookie)$/i.test(name)),
  )
}

/** A body that is a stream, or was written into the request's own. */
function isGone({ body, method }: HttpRequest): boolean {
  if (body === undefined || body === null) return /^(post|put|patch)$/i.test(method)
  return typeof body === 'object' && Symbol.asyncIterator in body
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
