import { Readable } from 'node:stream'
import type { AxiosError, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import { overTlsOnly, withoutToken } from './axios-conceal.cjs'
import { ApiCall, bodyCounts, isSameOrigin, noteUsage } from './calls.cjs'
import type { Client } from './client.cjs'
import type { Route } from './routes.cjs'
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
 * meets a dead session is repeated once with a new token, as `client.fetch` does it. Calls to other hosts go as
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
  // The caller's own: nothing of ours goes along, and nothing is ours to renew. A socket leads wherever it leads.
  if (config.headers.has('Authorization') || config.auth || config.socketPath) {
    return attempt(bare, config, shown).then(settled)
  }
  let call: ApiCall | undefined
  const start = () => new ApiCall(client, method, !isStream(data), () => signal as AbortSignal | undefined)
  for (;;) {
    let token = call === undefined ? client.kept() : call.kept()
    if (token === undefined) {
      call ??= start()
      token = await call.token()
    }
    const route = client.route(token, address(config, bare))
    if (!route.carries) return attempt(bare, config, shown).then(settled)
    const end = await attempt(bare, withToken(config, token, route), shown, token)
    const { response } = end
    // Another origin's response says nothing about the token.
    if (response === undefined || !isSameOrigin(end.url ?? route.url, route.url)) return settled(end)
    const { status } = response
    const headers = response.headers as Record<string, string>
    if (status < 400) {
      noteUsage(client, route.url, headers, call)
      return settled(end)
    }
    const body = bodyCounts(status) ? await text(response) : undefined
    call ??= start()
    const again = call.judge(token, route.url, { status, headers, body })
    if (again === undefined) return settled(end)
    if (response.data instanceof Readable) response.data.destroy()
    await again
  }
}

/** How a request ended. */
interface End {
  readonly response: AxiosResponse | undefined
  readonly error: unknown
  readonly isError: boolean
  /** The URL that the response is from. */
  readonly url: string | undefined
}

async function attempt(bare: AxiosInstance, config: Config, shown: Config, token?: Token): Promise<End> {
  try {
    const response: AxiosResponse = await bare.request(
      Object.assign(config, { transformRequest: [], transformResponse: [] }),
    )
    const url = finalUrl(response)
    withoutToken(response, shown, token)
    return { response, error: undefined, isError: false, url }
  } catch (error) {
    const response: AxiosResponse | undefined =
      (error as Partial<AxiosError>)?.response ?? brokenOff(error as Partial<AxiosError>)
    const url = response && finalUrl(response)
    withoutToken(error, shown, token)
    if (response !== undefined) withoutToken(response, shown, token)
    return { response, error, isError: true, url }
  }
}

function settled({ response, error, isError }: End): AxiosResponse {
  if (isError) throw error
  return response as AxiosResponse
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

/** The request that is sent: to the address that was judged, and to no other. */
function withToken(config: Config, token: Token, { url }: Route): Config {
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

/** The body, as it came. A stream is read for it, and replaced by one that holds the same. */
async function text(response: AxiosResponse): Promise<string | Uint8Array> {
  const { data } = response
  if (typeof data === 'string') return data
  if (data instanceof Uint8Array) return data
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  if (data instanceof Readable) {
    const chunks: Buffer[] = []
    // A body that breaks off is judged by what came of it.
    for await (const chunk of data.on('error', () => {})) chunks.push(Buffer.from(chunk))
    const whole = Buffer.concat(chunks)
    response.data = Readable.from(whole.length === 0 ? [] : [whole], { objectMode: false })
    return whole
  }
  // What an adapter of the user's made of it.
  return JSON.stringify(data) ?? ''
}

/** A stream is gone once it is read. */
function isStream(data: unknown): boolean {
  if (typeof data !== 'object' || data === null) return false
  return Symbol.asyncIterator in data || 'getReader' in data || typeof (data as Readable).pipe === 'function'
}
