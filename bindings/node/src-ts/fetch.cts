// `client.fetch`: any `fetch` that keeps to the standard, with the token. Redirects are followed here.
import { ApiCall, type Attempt, type ClientCalls, classifiedBytes, isReadOnce, send } from './calls.cjs'
import { isSameOrigin } from './resolve-url.cjs'
import type { Token } from './token.cjs'

type Fetch = typeof globalThis.fetch

interface Hop {
  readonly url: string
  readonly method: string
  /** Names in lower case. A plain object, which every `fetch` takes fastest; a `Headers` of another library is slowest. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: RequestInit['body']
}

/** A request, normalised. `init` holds what is passed on as it is. */
interface Call extends Hop {
  readonly init: RequestInit
  readonly redirect: NonNullable<RequestInit['redirect']>
  readonly signal: AbortSignal | undefined
}

const MAX_REDIRECTS = 20
/** Headers for one origin: the platform's `fetch` drops the same at a redirect to another. */
const ORIGIN_BOUND = ['authorization', 'cookie', 'host', 'proxy-authorization']

/** @internal `fetch` with the client's token. */
export async function fetchWith(
  calls: ClientCalls,
  fetch: Fetch,
  input: string | URL | Request,
  init: RequestInit | null | undefined,
): Promise<Response> {
  const request = normalise(input, init)
  // With a header of the caller's own, nothing of ours is added or renewed.
  const isOwn = Object.hasOwn(request.headers, 'authorization')
  if (isOwn && URL.canParse(request.url)) return fetch(request.url, outgoing(request, request))
  const call = new ApiCall(calls, request.method, !isReadOnce(request.body), () => request.signal)
  return send(call, request.url, async (url, token) => {
    if (isOwn || token === undefined) return delivered(await fetch(url, outgoing(request, request)))
    const response = await fetch(url, outgoing(request, request, token))
    const follows = request.redirect !== 'manual' && isRedirect(response)
    return follows
      ? follow(call, fetch, request, { url, response }, token)
      : classified(response, request.signal)
  })
}

/** A response that says nothing about the token. */
function delivered(response: Response): Attempt<Response> {
  return { ...classified(response, undefined), response: undefined }
}

function classified(response: Response, signal: AbortSignal | undefined): Attempt<Response> {
  return {
    deliver: () => response,
    response,
    body: () => beginning(response, signal),
    discard: () => discard(response),
  }
}

/** Follows the redirects of a request with the token. Only the origin that it went to sees the token. */
async function follow(
  apiCall: ApiCall,
  fetch: Fetch,
  call: Call,
  from: { url: string; response: Response },
  token: Token,
): Promise<Attempt<Response>> {
  const { method, headers, body } = call
  let hop: Hop = { url: from.url, method, headers, body }
  let { response } = from
  for (let redirects = 0; ; redirects += 1) {
    const next = location(response, hop.url)
    if (next === undefined) return classified(redirects > 0 ? redirected(response) : response, call.signal)
    // The responses on the way count as served.
    apiCall.noteServed(hop.url, response.headers)
    discard(response)
    if (call.redirect === 'error') throw failed('a redirect, which this request does not allow')
    if (redirects === MAX_REDIRECTS) throw failed('too many redirects')
    const before = hop
    hop = redirect(before, response.status, next)
    const { url, carriesToken } = apiCall.resolveRedirect(token, before.url, hop.url)
    hop = { ...hop, url }
    response = await fetch(url, outgoing(call, hop, carriesToken ? token : undefined))
    if (!carriesToken) return delivered(redirected(response))
  }
}

/** The first bytes of a body that stays readable. Of a body that breaks off, what had arrived. */
async function beginning(response: Response, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const reader = response.clone().body?.getReader()
  const chunks: Uint8Array[] = []
  try {
    for (let length = 0; reader !== undefined && length < classifiedBytes(); ) {
      const { done, value } = await reader.read()
      if (done) break
      chunks.push(value)
      length += value.byteLength
    }
  } catch {
    signal?.throwIfAborted()
  } finally {
    // Settles only when the other half is done too.
    reader?.cancel().catch(() => {})
  }
  return Buffer.concat(chunks)
}

function normalise(input: string | URL | Request, given: RequestInit | null | undefined): Call {
  const request = typeof input === 'object' && !(input instanceof URL) ? input : undefined
  const init: RequestInit = Object.assign(request === undefined ? {} : parts(request), given)
  const { signal } = init
  return {
    url: request === undefined ? String(input) : request.url,
    method: (init.method ?? 'GET').toUpperCase(),
    headers: init.headers === undefined ? {} : Object.fromEntries(new Headers(init.headers)),
    body: init.body,
    redirect: init.redirect ?? 'follow',
    signal: signal ?? undefined,
    init,
  }
}

function parts(request: Request): RequestInit {
  const { method, headers, body, signal, redirect, keepalive, integrity } = request
  const init: RequestInit = { method, headers, signal, redirect, keepalive, integrity }
  if (body !== null) Object.assign(init, { body, duplex: 'half' })
  return init
}

/** With the token, and then without redirects that the platform follows. */
function outgoing({ init, redirect }: Call, { method, headers, body }: Hop, token?: Token): RequestInit {
  // Not by a spread: Node 20 takes twenty times as long for a literal that begins with one.
  const sent: RequestInit = Object.assign({}, init, { method, headers, redirect })
  if (token !== undefined) {
    sent.headers = Object.assign({}, headers, { authorization: token.authorization })
    // The platform refuses other modes.
    if (redirect === 'follow' || redirect === 'error') sent.redirect = 'manual'
  }
  if (body === undefined) delete sent.body
  else sent.body = body
  return sent
}

/** An opaque redirect has the status 0. */
function isRedirect({ status }: Response): boolean {
  return status === 0 || (status >= 300 && status < 400)
}

function location(response: Response, base: string): string | undefined {
  if (response.type === 'opaqueredirect') throw failed('this `fetch` does not show where a redirect leads')
  if (![301, 302, 303, 307, 308].includes(response.status)) return undefined
  const header = response.headers.get('location')
  if (header === null) return undefined
  if (!URL.canParse(header, base)) throw failed('a redirect to an invalid URL')
  const url = new URL(header, base)
  if (url.hash === '') url.hash = new URL(base).hash
  return url.href
}

/** The next request, as the standard has it. */
function redirect(from: Hop, status: number, url: string): Hop {
  const { method, body } = from
  const stays = isSameOrigin(from.url, url)
  const becomesGet =
    status === 303 ? method !== 'GET' && method !== 'HEAD' : status < 303 && method === 'POST'
  const headers = Object.fromEntries(
    Object.entries(from.headers).filter(
      ([name]) => (stays || !ORIGIN_BOUND.includes(name)) && !(becomesGet && name.startsWith('content-')),
    ),
  )
  if (becomesGet) return { url, headers, method: 'GET', body: undefined }
  if (isReadOnce(body)) throw failed('a redirect, and a body that cannot be sent again')
  return { url, headers, method, body }
}

function redirected(response: Response): Response {
  return Object.defineProperty(response, 'redirected', { value: true })
}

function discard(response: Response): void {
  response.body?.cancel().catch(() => {})
}

/** As the platform's `fetch` fails. */
function failed(why: string): TypeError {
  return new TypeError('fetch failed', { cause: new Error(why) })
}
