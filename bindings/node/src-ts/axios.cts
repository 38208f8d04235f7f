import { Readable } from 'node:stream'
import type { AxiosError, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import { ApiCall, bodyCounts, isSameOrigin, noteUsage } from './calls.cjs'
import type { Client } from './client.cjs'
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

/** What a request of ours was sent with. A class, because axios hands such values on as they are. */
class Sent {
  constructor(
    readonly call: ApiCall,
    readonly token: Token,
    /** The URL that it went to: another origin's answer says nothing about the token. */
    readonly url: string,
    /** Whether the instance was filled in here. */
    readonly isRelative: boolean,
  ) {}
}

/** Where the configuration of a repeated request holds what was sent before. */
const BEFORE = 'forcegrantBefore'

type Config = InternalAxiosRequestConfig & { [BEFORE]?: Sent }

/**
 * Has an axios instance send the client's token, and renew it: a path goes to the token's instance, and a call that
 * meets a dead session is repeated once with a new token, as `client.fetch` does it. Calls to other hosts go as
 * they are. Give it an instance of `axios.create()` without a `baseURL`.
 *
 * @param given an instance of axios
 * @returns a function that detaches it
 */
export function attach(given: AxiosLike, client: Client): () => void {
  const instance = given as unknown as AxiosInstance
  const sent = new WeakMap<object, Sent>()

  const requests = instance.interceptors.request.use(async (config: Config) => {
    const before = config[BEFORE]
    delete config[BEFORE]
    if (before !== undefined) config.headers.delete('Authorization')
    if (config.headers.has('Authorization')) return config
    const { method = 'get', data } = config
    const signal = config.signal as AbortSignal | undefined
    const call = before?.call ?? new ApiCall(client, method, !isStream(data), () => signal)
    const token = call.kept() ?? (await tokenFor(call, signal))
    // Cancelled meanwhile: axios itself says so next.
    if (token === undefined) return config
    const isRelative = before?.isRelative ?? (config.baseURL === undefined && isPath(config.url))
    const given =
      isRelative || config.baseURL === undefined ? (config.url ?? '') : withoutParameters(config, instance)
    const { url, carries } = client.route(token, given)
    if (isRelative) {
      config.baseURL = token.instanceUrl
    } else if (url !== given) {
      config.url = url
      delete config.baseURL
    }
    if (!carries) return config
    config.headers.set('Authorization', token.authorization)
    guardRedirects(config, url)
    sent.set(config, new Sent(call, token, url, isRelative))
    return config
  })

  const settle = async (response: AxiosResponse): Promise<AxiosResponse | undefined> => {
    const { config, status } = response
    const before = sent.get(config)
    if (before === undefined || !isFromThere(finalUrl(response), before)) return undefined
    const headers = response.headers as Record<string, string>
    if (status < 400) {
      noteUsage(client, headers)
      return undefined
    }
    const body = bodyCounts(status) ? await text(response) : undefined
    const again = before.call.judge(before.token, { status, headers, body })
    if (again === undefined) return undefined
    if (response.data instanceof Readable) response.data.destroy()
    await again.catch((error) => {
      // axios itself says next that the request is cancelled.
      if (config.signal?.aborted !== true) throw error
    })
    const repeated: Config = { ...config, [BEFORE]: before }
    return instance.request(repeated)
  }

  const responses = instance.interceptors.response.use(
    async (response) => (await settle(response)) ?? response,
    async (error) => {
      const response: AxiosResponse | undefined = error?.response ?? brokenOff(error)
      const repeated = response?.config === undefined ? undefined : await settle(response)
      if (repeated === undefined) throw error
      return repeated
    },
  )
  return () => {
    instance.interceptors.request.eject(requests)
    instance.interceptors.response.eject(responses)
  }
}

async function tokenFor(call: ApiCall, signal: AbortSignal | undefined): Promise<Token | undefined> {
  try {
    return await call.token()
  } catch (error) {
    if (signal?.aborted) return undefined
    throw error
  }
}

function isPath(url: string | undefined): boolean {
  return url === undefined || !/^([a-z][a-z\d+.-]*:)?[/\\]{2}/i.test(url)
}

/** The address; axios adds the parameters itself, later on. */
function withoutParameters({ baseURL, url }: Config, instance: AxiosInstance): string {
  return instance.getUri({ ...(baseURL !== undefined && { baseURL }), ...(url !== undefined && { url }) })
}

/** axios drops the header at a redirect to another domain, but not to one below it, nor to another port of it. */
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

/** Whether an answer is from the origin that the token went to, and not from where a redirect led. */
function isFromThere(url: string | undefined, { url: wanted, token }: Sent): boolean {
  if (url === undefined) return true
  // Nearly always.
  const instance = `${token.instanceUrl}/`
  return (url.startsWith(instance) && wanted.startsWith(instance)) || isSameOrigin(url, wanted)
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

/** The body. A stream is read for it, and replaced by one that holds the same. */
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
  return JSON.stringify(data) ?? ''
}

/** A stream is gone once it is read. */
function isStream(data: unknown): boolean {
  return typeof data === 'object' && data !== null && (Symbol.asyncIterator in data || 'getReader' in data)
}
