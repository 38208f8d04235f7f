import { ApiCall, bodyCounts, enough, isSameOrigin, noteUsage } from './calls.cjs'
import type { Client } from './client.cjs'
import type { Token } from './token.cjs'

type Fetch = typeof globalThis.fetch

/** @internal What the calls of one client need. */
export interface Caller {
  readonly client: Client
  readonly send: Fetch
}

interface Hop {
  readonly url: string
  readonly method: string
  /** Small names. Plain, as any `fetch` takes that fastest, and a `Headers` of another make slowest. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: RequestInit['body']
}

/** A request, normalised. `init` holds what is passed on as it is. */
interface Call extends Hop {
  readonly init: RequestInit
  readonly redirect: NonNullable<RequestInit['redirect']>
  readonly signal: AbortSignal | undefined
}

const MOST_REDIRECTS = 20
/** What belongs to one origin: the platform's `fetch` drops the same at a redirect to another. */
const ORIGIN_BOUND = ['authorization', 'cookie', 'host', 'proxy-authorization']

/** @internal `fetch` with the client's token. */
export async function fetchWith(
  caller: Caller,
  input: string | URL | Request,
  init: RequestInit | null | undefined,
): Promise<Response> {
  const { client, send } = caller
  const call = normalise(input, init)
  // The caller's own header: nothing of ours goes along, and nothing is ours to renew.
  const isOwn = Object.hasOwn(call.headers, 'authorization')
  if (isOwn && URL.canParse(call.url)) return send(call.url, outgoing(call, call))
  // Most calls have their token at once, and an answer that needs no judging.
  let started: ApiCall | undefined
  const start = () => new ApiCall(client, call.method, isReplayable(call.body), () => call.signal)
  for (;;) {
    let token = started === undefined ? client.kept() : started.kept()
    if (token === undefined) {
      started ??= start()
      token = await started.token()
    }
    const { url, carries } = client.route(token, call.url)
    // Another origin's answers say nothing about the token.
    if (isOwn || !carries) return send(url, outgoing(call, call))
    let response = await send(url, outgoing(call, call, token))
    if (response.status < 400) {
      noteUsage(client, url, response.headers, started)
      if (call.redirect === 'manual' || !isRedirect(response)) return response
      const end = await follow(caller, call, { url, response }, token)
      response = end.response
      if (!end.carried || response.status < 400) return response
    }
    const { status, headers } = response
    const body = bodyCounts(status) ? await beginning(response, call.signal) : undefined
    started ??= start()
    const again = started.judge(token, url, { status, headers, body })
    if (again === undefined) return response
    discard(response)
    await again
  }
}

interface End {
  readonly response: Response
  /** Whether the token went to whoever gave this answer. */
  readonly carried: boolean
}

/** Where redirects lead to, from an answer to a request with the token. Only the origin that it went to sees it. */
async function follow(
  { client, send }: Caller,
  call: Call,
  from: { url: string; response: Response },
  token: Token,
): Promise<End> {
  const { method, headers, body } = call
  let hop: Hop = { url: from.url, method, headers, body }
  let { response } = from
  for (let redirects = 0; ; redirects += 1) {
    const next = location(response, hop.url)
    if (next === undefined)
      return { response: redirects > 0 ? redirected(response) : response, carried: true }
    discard(response)
    if (call.redirect === 'error') throw failed('a redirect, which this request does not allow')
    if (redirects === MOST_REDIRECTS) throw failed('too many redirects')
    const before = hop
    hop = redirect(before, response.status, next)
    const stays = isSameOrigin(before.url, hop.url) ? client.route(token, hop.url) : undefined
    if (stays?.carries) hop = { ...hop, url: stays.url }
    response = await send(hop.url, outgoing(call, hop, stays?.carries ? token : undefined))
    if (!stays?.carries) return { response: redirected(response), carried: false }
    // Of the others the verdict takes care.
    if (response.status < 400) noteUsage(client, hop.url, response.headers, undefined)
  }
}

/** The first bytes of a body that stays readable. A body that breaks off is judged by what came of it. */
async function beginning(response: Response, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const reader = response.clone().body?.getReader()
  const chunks: Uint8Array[] = []
  try {
    for (let length = 0; reader !== undefined && length < enough(); ) {
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
  // Not by spreads: for a literal that begins with one, Node 20 takes twenty times as long.
  const sent: RequestInit = Object.assign({}, init, { method, headers, redirect })
  if (token !== undefined) {
    sent.headers = Object.assign({}, headers, { authorization: token.authorization })
    // What is no mode at all is left to the platform to refuse.
    if (redirect === 'follow' || redirect === 'error') sent.redirect = 'manual'
  }
  if (body === undefined) delete sent.body
  else sent.body = body
  return sent
}

/** Those of a kind that shows nothing have the status 0. */
function isRedirect({ status }: Response): boolean {
  return status === 0 || (status >= 300 && status < 400)
}

function location(response: Response, base: string): string | undefined {
  if (response.type === 'opaqueredirect') throw failed('this `fetch` does not show where a redirect leads')
  if (![301, 302, 303, 307, 308].includes(response.status)) return undefined
  const header = response.headers.get('location')
  if (header === null) return undefined
  if (!URL.canParse(header, base)) throw failed('a redirect to what is no URL')
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
  if (!isReplayable(body)) throw failed('a redirect, and a body that cannot be sent again')
  return { url, headers, method, body }
}

/** Streams and generators are gone once they are read. */
function isReplayable(body: RequestInit['body']): boolean {
  return typeof body !== 'object' || body === null || !('getReader' in body || Symbol.asyncIterator in body)
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
