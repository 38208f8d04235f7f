import type { Token } from './token.cjs'

/** @internal Where a call goes, and whether the token goes along. */
export interface Route {
  readonly url: string
  readonly carries: boolean
}

/** More origins than this are not remembered: calls go to few. */
const MOST = 16
/** A path that the core takes for one, and leaves as it is. */
const PLAIN_PATH = /^(?!\/\/)(?!.*(?:\/\.|%2e))\/[!$-&(-;=?-[\]_a-z~]*$/i
/** A URL that every parser reads alike: its origin, which all that the core says depends on, and such a path. */
const URL_WITH_PATH = /^(https?:\/\/[\w.-]+(?::\d+)?)(\/.*)$/

/** @internal Whether it cannot be taken for anything but a path. */
export function isPlainPath(path: string): boolean {
  return PLAIN_PATH.test(path)
}

/**
 * What the core said of the origins that a token was about to go to, kept as long as the token is the same: most calls
 * go to the instance, and then cost no native call.
 *
 * @internal
 */
export class Routes {
  readonly #ask: (token: Token, pathOrUrl: string) => Route
  #token: Token | undefined
  /** Origins where calls stay as they are, and whether the token goes there. */
  readonly #known = new Map<string, boolean>()
  /** The last question and its answer: of where an adapter asks for origins, nearly always the same. */
  #last: { readonly pathOrUrl: string; readonly route: Route } | undefined

  /** `ask` asks the core. */
  constructor(ask: (token: Token, pathOrUrl: string) => Route) {
    this.#ask = ask
  }

  of(token: Token, pathOrUrl: string): Route {
    if (token !== this.#token) {
      this.#known.clear()
      this.#last = undefined
      this.#token = token
    }
    if (this.#last?.pathOrUrl === pathOrUrl) return this.#last.route
    const route = this.#find(token, pathOrUrl)
    this.#last = { pathOrUrl, route }
    return route
  }

  #find(token: Token, pathOrUrl: string): Route {
    const isPath = pathOrUrl.startsWith('/')
    const [, origin, path] = isPath
      ? ['', token.instanceUrl, pathOrUrl]
      : (URL_WITH_PATH.exec(pathOrUrl) ?? [])
    if (origin === undefined || path === undefined || !PLAIN_PATH.test(path))
      return this.#ask(token, pathOrUrl)
    const carries = this.#known.get(origin) ?? this.#learn(token, origin)
    if (carries === undefined) return this.#ask(token, pathOrUrl)
    return { url: isPath ? origin + pathOrUrl : pathOrUrl, carries }
  }

  /** Undefined where calls are sent on to where the instance is now. */
  #learn(token: Token, origin: string): boolean | undefined {
    const { url, carries } = this.#ask(token, `${origin}/`)
    if (url !== `${origin}/`) return undefined
    if (this.#known.size === MOST) this.#known.clear()
    this.#known.set(origin, carries)
    return carries
  }
}
