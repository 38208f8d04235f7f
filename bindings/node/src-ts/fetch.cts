import type { Client } from './client.cjs'
import { notReplayable } from './errors.cjs'
import type { Token } from './token.cjs'
import type { ApiUsage } from './verdict.cjs'
import { ENOUGH, isTelling, usageIn, verdict } from './verdict.cjs'

type Fetch = typeof globalThis.fetch

/** @internal What the calls of one client need. */
export interface Caller {
  readonly client: Client
  readonly send: Fetch
  readonly note: (usage: ApiUsage) => void
}

interface Hop {
  readonly url: string
  readonly method: string
  readonly headers: Headers
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
  const { client } = caller
  const call = normalise(input, init)
  const waiting = call.signal && { signal: call.signal }
  // The caller's own header: nothing of ours goes along, and nothing is ours to renew.
  const isOwn = call.headers.has('authorization')
  if (isOwn && URL.canParse(call.url)) return caller.send(call.url, outgoing(call, call, call.redirect))
  const first = await client.token(waiting)
  if (isOwn) return caller.send(target(call.url, first), outgoing(call, call, call.redirect))
  const answer = await follow(caller, call, target(call.url, first), first)
  if (!(await isExpired(answer, call.signal))) return answer.response
  client.invalidate(first)
  if (answer.response.status === 403) return answer.response
  discard(answer.response)
  if (!isReplayable(call.body)) throw notReplayable(answer.response.status)
  const second = await client.token(waiting)
  const again = await follow(caller, call, target(call.url, second, first), second)
  return again.response
}

interface Answer {
  readonly response: Response
  /** Whether the token went to whoever gave this answer. */
  readonly carried: boolean
}

/** One request, and the redirects it leads to. Only the origin that it starts with sees the token. */
async function follow(caller: Caller, call: Call, url: string, token: Token): Promise<Answer> {
  let hop: Hop = { ...call, url }
  let carried = caller.client.mayCarry(token, url)
  for (let redirects = 0; ; redirects += 1) {
    if (!carried) {
      const response = await caller.send(hop.url, outgoing(call, hop, call.redirect))
      return { response: redirects > 0 ? redirected(response) : response, carried }
    }
    const headers = new Headers(hop.headers)
    headers.set('authorization', token.authorization)
    const response = await caller.send(hop.url, outgoing(call, { ...hop, headers }, 'manual'))
    const usage = usageIn(response.headers)
    if (usage !== undefined) caller.note(usage)
    const next = call.redirect === 'manual' ? undefined : location(response, hop.url)
    if (next === undefined) return { response: redirects > 0 ? redirected(response) : response, carried }
    discard(response)
    if (call.redirect === 'error') throw failed('a redirect, which this request does not allow')
    if (redirects === MOST_REDIRECTS) throw failed('too many redirects')
    const before = hop
    hop = redirect(before, response.status, next)
    carried = isSameOrigin(before.url, hop.url) && caller.client.mayCarry(token, hop.url)
  }
}

/** The dead session of this very token; another origin's answers say nothing about it. */
async function isExpired({ response, carried }: Answer, signal: AbortSignal | undefined): Promise<boolean> {
  const { status, headers } = response
  if (!carried || !isTelling(status)) return false
  return verdict({ status, headers, body: await beginning(response, signal) }).verdict === 'session_expired'
}

/** The first bytes of a body that stays readable. A body that breaks off is judged by what came of it. */
async function beginning(response: Response, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const reader = response.clone().body?.getReader()
  const chunks: Uint8Array[] = []
  try {
    for (let length = 0; reader !== undefined && length < ENOUGH; ) {
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
  const init: RequestInit = request === undefined ? { ...given } : { ...parts(request), ...given }
  const { signal } = init
  return {
    url: request === undefined ? String(input) : request.url,
    method: (init.method ?? 'GET').toUpperCase(),
    headers: new Headers(init.headers),
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

function outgoing(call: Call, { method, headers, body }: Hop, redirect: Call['redirect']): RequestInit {
  const init: RequestInit = { ...call.init, method, headers, redirect }
  if (body === undefined) delete init.body
  else init.body = body
  return init
}

/** Where a request goes: paths to the token's instance. What went to the instance before it follows it. */
function target(url: string, token: Token, before?: Token): string {
  if (!URL.canParse(url)) {
    const found = new URL(url, `${token.instanceUrl}/`)
    if (isSameOrigin(found.href, token.instanceUrl)) return found.href
    throw new TypeError('a path that leads to another host: give the whole URL')
  }
  const moved = new URL(url)
  for (const [from, to] of [
    [before?.instanceUrl, token.instanceUrl],
    [before?.apiInstanceUrl, token.apiInstanceUrl],
  ]) {
    if (from === undefined || to === undefined || !isSameOrigin(moved.href, from)) continue
    return to + moved.href.slice(moved.origin.length)
  }
  return moved.href
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
  const headers = new Headers(from.headers)
  if (!isSameOrigin(from.url, url)) for (const name of ORIGIN_BOUND) headers.delete(name)
  const becomesGet =
    status === 303 ? method !== 'GET' && method !== 'HEAD' : status < 303 && method === 'POST'
  if (becomesGet) {
    for (const name of [...headers.keys()]) if (name.startsWith('content-')) headers.delete(name)
    return { url, headers, method: 'GET', body: undefined }
  }
  if (!isReplayable(body)) throw failed('a redirect, and a body that cannot be sent again')
  return { url, headers, method, body }
}

/** Streams and generators are gone once they are read. */
function isReplayable(body: RequestInit['body']): boolean {
  return typeof body !== 'object' || body === null || !('getReader' in body || Symbol.asyncIterator in body)
}

function isSameOrigin(one: string, other: string): boolean {
  return new URL(one).origin === new URL(other).origin
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
