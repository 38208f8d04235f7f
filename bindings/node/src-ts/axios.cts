// The adapter for axios: beneath the interceptors of an instance, it sends each request with the token.
import { Readable } from 'node:stream'
import type { AxiosError, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import { overTlsOnly, withoutToken } from './axios-conceal.cjs'
import { ApiCall, type Attempt, isReadOnce, send } from './calls.cjs'
import type { Client } from './client.cjs'
import { isSameOrigin } from './resolve-url.cjs'
import type { Token } from './token.cjs'

/** What is used of the interceptors of such an instance. */
export interface AxiosInterceptors {
  /** Adds one; returns its number. */
  use(...given: never[]): number
  /** Takes one away. */
  eject(id: number): void
}

/** What is used of an instance of axios. Its own types are others for `import` than for `require`. */
export interface AxiosLike {
  /** Where requests and responses pass through. */
  readonly interceptors: { readonly request: AxiosInterceptors; readonly response: AxiosInterceptors }
  /** The address of a request. */
  getUri(config?: object): string
  /** Sends one. */
  request(config: object): Promise<unknown>
}

type Config = InternalAxiosRequestConfig
type Send = (config: Config) => Promise<AxiosResponse>

/**
 * Has an axios instance send the client's token, and renew it: a path goes to the token's instance, and a call that
 * meets an expired session is repeated once with a new token, as `client.fetch` does it. Calls to other hosts go as
 * they are. Give it an instance of `axios.create()` without a `baseURL`.
 *
 * The token is added beneath all interceptors, to the very request that is sent, and is in no configuration, response or
 * error that axios hands out.
 *
 * @param given an instance of axios
 * @returns a function that detaches it
 */
export function attach(given: AxiosLike, client: Client): () => void {
  const instance = given as unknown as AxiosInstance
  const bare = bareOf(instance)
  /** What sends in place of an adapter, and the adapter. */
  const ours = new WeakMap<Send, Config['adapter']>()
  const id = instance.interceptors.request.use(
    (config: Config) => {
      // The configuration of an earlier call, which somebody sends again.
      const own = typeof config.adapter === 'function' && ours.has(config.adapter as Send)
      const adapter = own ? ours.get(config.adapter as Send) : config.adapter
      const send: Send = (final) =>
        exchange(client, bare, Object.assign({}, final, { adapter }) as Config, final)
      ours.set(send, adapter)
      config.adapter = send
      return config
    },
    undefined,
    { synchronous: true },
  )
  return () => instance.interceptors.request.eject(id)
}

/** An instance of the same copy of axios, which sends what it is given as it is. */
function bareOf(instance: AxiosInstance): AxiosInstance {
  const { create } = instance as Partial<AxiosInstance>
  if (typeof create !== 'function') throw new TypeError('attach takes an instance of axios: axios.create()')
  const bare = create()
  const defaults = bare.defaults as unknown as Record<string, unknown>
  for (const name of Object.keys(defaults)) delete defaults[name]
  return bare
}

/**
 * One call, beneath the interceptors and the transformation of the body.
 *
 * @param config what is sent, and how; its adapter is the one that sends
 * @param shown the same, as axios hands it out
 */
async function exchange(
  client: Client,
  bare: AxiosInstance,
  config: Config,
  shown: Config,
): Promise<AxiosResponse> {
  const { method = 'get', data, signal } = config
  // With a header of the caller's own, nothing of ours is added or renewed; a socket may lead anywhere.
  if (config.headers.has('Authorization') || config.auth || config.socketPath) {
    return (await attempt(bare, config, shown)).deliver()
  }
  const call = new ApiCall(client.calls, method, !isReadOnce(data), () => signal as AbortSignal | undefined)
  return send(call, address(config, bare), (url, token) =>
    token === undefined
      ? attempt(bare, config, shown)
      : attempt(bare, withToken(config, token, url), shown, { token, url }),
  )
}

/** Sends one request, with the token to a URL if there is one. */
async function attempt(
  bare: AxiosInstance,
  config: Config,
  shown: Config,
  sent?: { readonly token: Token; readonly url: string },
): Promise<Attempt<AxiosResponse>> {
  let response: AxiosResponse | undefined
  let failure: { readonly error: unknown } | undefined
  try {
    response = await bare.request<unknown>(
      Object.assign(config, { transformRequest: [], transformResponse: [] }),
    )
  } catch (error) {
    failure = { error }
    response = (error as Partial<AxiosError>)?.response ?? brokenOff(error as Partial<AxiosError>)
  }
  // A response from another origin, after a redirect, says nothing about the token.
  const from = response && finalUrl(response)
  const isClassified = sent !== undefined && isSameOrigin(from ?? sent.url, sent.url)
  if (failure !== undefined) withoutToken(failure.error, shown, sent?.token)
  if (response !== undefined) withoutToken(response, shown, sent?.token)
  const received = response as AxiosResponse
  return {
    deliver() {
      if (failure !== undefined) throw failure.error
      return received
    },
    response: isClassified && response !== undefined ? toClassified(response) : undefined,
    body: () => text(received),
    discard() {
      if (received.data instanceof Readable) received.data.destroy()
    },
  }
}

function toClassified({ status, headers }: AxiosResponse): Attempt<AxiosResponse>['response'] {
  return { status, headers: headers as Record<string, string> }
}

/** The address as this version of axios makes it of its parts; it adds the parameters itself, later on. */
function address({ baseURL, url, allowAbsoluteUrls }: Config, bare: AxiosInstance): string {
  if (!baseURL) return String(url ?? '')
  return bare.getUri({
    baseURL,
    url: String(url ?? ''),
    allowAbsoluteUrls: allowAbsoluteUrls ?? true,
  } as object)
}

/** The request that is sent: to this URL, and to no other. */
function withToken(config: Config, token: Token, url: string): Config {
  const headers = Object.assign({}, config.headers, { Authorization: token.authorization })
  const sent: Config = Object.assign({}, config, { url, headers, allowAbsoluteUrls: true })
  delete sent.baseURL
  guardRedirects(sent, url)
  overTlsOnly(sent, url)
  return sent
}

/** axios drops the header at a redirect to another domain, but older ones not to one below it, nor to another port of it. */
function guardRedirects(config: Config, url: string): void {
  const own = config.beforeRedirect
  config.beforeRedirect = (options, ...rest) => {
    const headers = options['headers'] as Record<string, unknown>
    if (!isSameOrigin(String(options['href']), url)) {
      for (const name of Object.keys(headers)) if (/^authorization$/i.test(name)) delete headers[name]
    }
    own?.(options, ...rest)
  }
}

function finalUrl(response: AxiosResponse): string | undefined {
  const { request } = response
  return request?.res?.responseUrl ?? request?.responseURL
}

/** Older versions of axios, such as 1.15, have no response where its body breaks off: what is known of it. */
function brokenOff(error: Partial<AxiosError> | undefined): AxiosResponse | undefined {
  const { code, config, request } = error ?? {}
  const { statusCode: status, headers, statusMessage: statusText } = request?.res ?? {}
  if (code !== 'ERR_BAD_RESPONSE' || config === undefined || !(status >= 400)) return undefined
  return { status, statusText, headers, config, request, data: '' }
}

/** The body, as it came. A stream is read for it, and replaced by one with the same content. */
async function text(response: AxiosResponse): Promise<string | Uint8Array> {
  const { data } = response
  if (typeof data === 'string') return data
  if (data instanceof Uint8Array) return data
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  if (data instanceof Readable) {
    const chunks: Buffer[] = []
    // Of a body that breaks off, what had arrived.
    for await (const chunk of data.on('error', () => {})) chunks.push(Buffer.from(chunk))
    const whole = Buffer.concat(chunks)
    response.data = Readable.from(whole.length === 0 ? [] : [whole], { objectMode: false })
    return whole
  }
  // What an adapter of the user's made of it.
  return JSON.stringify(data) ?? ''
}
