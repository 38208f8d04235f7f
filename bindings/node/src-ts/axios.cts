import { Readable } from 'node:stream'
import type { AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import type { Client } from './client.cjs'
import { notReplayable } from './errors.cjs'
import type { Token } from './token.cjs'
import { isTelling, usageIn, verdict } from './verdict.cjs'

/** What a request of ours was sent with. A class, because axios hands such values on as they are. */
class Sent {
  constructor(
    readonly token: Token,
    /** The URL that it went to: another origin's answer says nothing about the token. */
    readonly url: string,
    readonly isSecond: boolean,
    /** Whether the instance was filled in here. */
    readonly isRelative: boolean,
  ) {}
}

/** Where the configuration of a second request holds what the first was sent with. */
const FIRST = 'forcegrantFirst'

type Config = InternalAxiosRequestConfig & { [FIRST]?: Sent }

/**
 * Has an axios instance send the client's token, and renew it: a path goes to the token's instance, and a call that
 * meets a dead session is repeated once with a new token, as `client.fetch` does it. Calls to other hosts go as
 * they are. Give it an instance of `axios.create()` without a `baseURL`.
 *
 * @returns a function that detaches it
 */
export function attach(instance: AxiosInstance, client: Client): () => void {
  const sent = new WeakMap<object, Sent>()

  const requests = instance.interceptors.request.use(async (config: Config) => {
    const first = config[FIRST]
    delete config[FIRST]
    if (first !== undefined) config.headers.delete('Authorization')
    if (config.headers.has('Authorization')) return config
    const token = await tokenFor(client, config)
    // Cancelled meanwhile: axios itself says so next.
    if (token === undefined) return config
    const isRelative = first?.isRelative ?? (config.baseURL === undefined && isPath(config.url))
    if (isRelative) config.baseURL = token.instanceUrl
    else if (first !== undefined) move(config, instance, first.token, token)
    const url = instance.getUri(config)
    if (!client.mayCarry(token, url)) return config
    config.headers.set('Authorization', token.authorization)
    guardRedirects(config, url)
    sent.set(config, new Sent(token, url, first !== undefined, isRelative))
    return config
  })

  const settle = async (response: AxiosResponse): Promise<AxiosResponse | undefined> => {
    const { config, status } = response
    const before = sent.get(config)
    if (before === undefined || !isSameOrigin(finalUrl(response) ?? before.url, before.url)) return undefined
    const usage = usageIn(response.headers as Record<string, string>)
    if (usage !== undefined) client.noteUsage(usage)
    if (before.isSecond || !isTelling(status)) return undefined
    const body = await text(response)
    if (verdict({ status, body }).verdict !== 'session_expired') return undefined
    client.invalidate(before.token)
    if (status === 403) return undefined
    if (isGone(config.data)) throw notReplayable(status)
    const second: Config = { ...config, [FIRST]: before }
    return instance.request(second)
  }

  const responses = instance.interceptors.response.use(
    async (response) => (await settle(response)) ?? response,
    async (error) => {
      const response: AxiosResponse | undefined = error?.response
      const renewed = response?.config === undefined ? undefined : await settle(response)
      if (renewed === undefined) throw error
      return renewed
    },
  )
  return () => {
    instance.interceptors.request.eject(requests)
    instance.interceptors.response.eject(responses)
  }
}

async function tokenFor(client: Client, config: Config): Promise<Token | undefined> {
  const signal = config.signal as AbortSignal | undefined
  try {
    return await client.token(signal && { signal })
  } catch (error) {
    if (signal?.aborted) return undefined
    throw error
  }
}

function isPath(url: string | undefined): boolean {
  return url === undefined || !/^([a-z][a-z\d+.-]*:)?[/\\]{2}/i.test(url)
}

/** What went to the instance of the first token goes to that of the second. */
function move(config: Config, instance: AxiosInstance, from: Token, to: Token): void {
  const url = instance.getUri({ baseURL: config.baseURL as string, url: config.url as string })
  for (const [old, fresh] of [
    [from.instanceUrl, to.instanceUrl],
    [from.apiInstanceUrl, to.apiInstanceUrl],
  ]) {
    if (old === undefined || fresh === undefined || !isSameOrigin(url, old)) continue
    config.url = fresh + url.slice(new URL(url).origin.length)
    delete config.baseURL
    return
  }
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

function finalUrl(response: AxiosResponse): string | undefined {
  const { request } = response
  return request?.res?.responseUrl ?? request?.responseURL
}

/** The body as text. A stream is read for it, and replaced by one that holds the same. */
async function text(response: AxiosResponse): Promise<string | Uint8Array> {
  const { data } = response
  if (typeof data === 'string' || data instanceof Uint8Array) return data
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

/** A stream, which has been read. */
function isGone(data: unknown): boolean {
  return typeof data === 'object' && data !== null && (Symbol.asyncIterator in data || 'getReader' in data)
}

function isSameOrigin(one: string, other: string): boolean {
  return URL.canParse(one) && URL.canParse(other) && new URL(one).origin === new URL(other).origin
}
