import http from 'node:http'
import type { AxiosError, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import { noTokenInClear } from './errors.cjs'
import { scrub, sweep } from './scrub.cjs'
import type { Token } from './token.cjs'

type Config = InternalAxiosRequestConfig

/**
 * Takes the token out of what axios hands out. `request` can still be read there, but is not printed: what hangs on it
 * (the agent, its sockets, and the requests of others on them) is not ours to change.
 *
 * @internal
 * @param shown the configuration without the token
 */
export function conceal(given: unknown, shown: Config, token: Token | undefined): void {
  if (token === undefined || typeof given !== 'object' || given === null) return
  const holder = given as Partial<AxiosError> & Partial<AxiosResponse>
  if (holder.config !== undefined) holder.config = shown
  const { request } = holder
  if (typeof request === 'object' && request !== null) {
    const property = { get: () => request, enumerable: false, configurable: true }
    Object.defineProperty(given, 'request', property)
  }
  if (!(given instanceof Error) && (holder.status ?? 0) < 400 && typeof holder.data !== 'object') return
  sweep([request, holder.data], token)
  scrub(given, token)
}

const guards = new WeakMap<object, http.Agent>()

/**
 * Has axios send a token over TLS, or for the emulator on this machine, straight to it.
 *
 * Older versions of axios send a request for `https:` in clear to a proxy that they find in the environment.
 *
 * @internal
 */
export function overTlsOnly(config: Config, url: string): void {
  if (url.startsWith('https:')) config.httpAgent = guarded(config.httpAgent ?? http.globalAgent)
  else config.proxy = false
}

interface Adding {
  addRequest(request: http.ClientRequest, ...rest: unknown[]): void
}

/** Such an agent, but for requests with a token. */
function guarded(agent: http.Agent): http.Agent {
  const known = guards.get(agent)
  if (known !== undefined) return known
  const addRequest: Adding['addRequest'] = (request, ...rest) => {
    if (request.hasHeader('authorization')) throw noTokenInClear()
    ;(agent as unknown as Adding).addRequest(request, ...rest)
  }
  const guard: http.Agent = Object.create(agent, { addRequest: { value: addRequest } })
  guards.set(agent, guard)
  return guard
}
