// What axios must not hand out: the token in its responses, errors and connections.
import http from 'node:http'
import { Readable } from 'node:stream'
import type { AxiosError, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import { adapterError } from './errors.cjs'
import { conceal, scrub, sweep } from './scrub.cjs'
import type { Token } from './token.cjs'

type Config = InternalAxiosRequestConfig

/**
 * Takes the token out of what axios hands out. `request` can still be read there, but is not printed: what hangs on it
 * (the agent, its sockets, and the requests of others on them) is not ours to change.
 *
 * @internal
 * @param shown the configuration without the token
 */
export function withoutToken(given: unknown, shown: Config, token: Token | undefined): void {
  if (typeof given !== 'object' || given === null) return
  const holder = given as Partial<AxiosError> & Partial<AxiosResponse>
  if (holder.config !== undefined) holder.config = shown
  if (token === undefined) return
  const { request } = holder
  if (request !== undefined) conceal(given, 'request')
  sweep(request, token)
  if (holder.data instanceof Readable) sweep(holder.data, token)
  if (given instanceof Error) scrub(given, token)
}

/**
 * Has axios send a token over TLS, or for the emulator on this machine, straight to it.
 *
 * Older versions of axios send a request for `https:` without TLS to a proxy that they find in the environment.
 *
 * @internal
 */
export function overTlsOnly(config: Config, url: string): void {
  if (!url.startsWith('https:')) {
    config.proxy = false
    return
  }
  if (config.proxy !== false) config.httpAgent = withoutTls.over(config.httpAgent ?? http.globalAgent)
  // Of those that look for a proxy themselves, axios makes others, and refuses what is not as Node made it.
  const { httpsAgent } = config
  if (httpsAgent && !httpsAgent.options?.proxyEnv) config.httpsAgent = overTls.over(httpsAgent)
}

type AddRequest = (request: http.ClientRequest, options: object, ...rest: unknown[]) => void

/** Agents in front of those of the user. */
class Guards {
  readonly #known = new WeakMap<object, object>()
  readonly #before: (request: http.ClientRequest, options: object) => object

  constructor(before: (request: http.ClientRequest, options: object) => object) {
    this.#before = before
  }

  over(agent: object): object {
    const known = this.#known.get(agent)
    if (known !== undefined) return known
    const addRequest: AddRequest = (request, options, ...rest) =>
      (agent as { addRequest: AddRequest }).addRequest(request, this.#before(request, options), ...rest)
    const guard: object = Object.create(agent, { addRequest: { value: addRequest } })
    this.#known.set(agent, guard)
    return guard
  }
}

const TUNNEL =
  'This version of axios sends requests for `https:` without TLS to the proxy that the environment names. ' +
  'Use a newer one, or give it an `httpsAgent` that tunnels, and `proxy: false`.'

const withoutTls = new Guards((request, options) => {
  if (request.hasHeader('authorization')) {
    throw adapterError('api_access_refused', 'no token goes to a proxy without TLS', TUNNEL)
  }
  return options
})
/** The request has its headers by then; Node would keep these with the connection, for as long as that lives. */
const overTls = new Guards((_, options) => Object.assign({}, options, { headers: undefined }))
