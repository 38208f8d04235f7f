// Where requests go: what the core said of an origin, remembered.
import type { Token } from './token.cjs'

/** @internal Where a request goes, and whether it carries the token. */
export interface ResolvedUrl {
  readonly url: string
  readonly carriesToken: boolean
}

type Ask = (token: Token, pathOrUrl: string) => ResolvedUrl

/** Calls go to few origins. */
const MAX_ORIGINS = 16
/** A path that the core takes for one, and leaves as it is. */
const PLAIN_PATH = /^(?!\/\/)(?!.*(?:\/\.|%2e))\/[!$-&(-;=?-[\]_a-z~]*$/i
/** A URL that every parser reads alike: its origin, on which all that the core says depends, and such a path. */
const URL_WITH_PATH = /^(https?:\/\/[\w.-]+(?::\d+)?)(\/.*)$/

/** @internal Whether it cannot be taken for anything but a path. */
export function isPlainPath(path: string): boolean {
  return PLAIN_PATH.test(path)
}

/** @internal */
export function isSameOrigin(one: string, other: string): boolean {
  if (one === other) return true
  return URL.canParse(one) && URL.canParse(other) && new URL(one).origin === new URL(other).origin
}

/**
 * Asks the core once for each origin and token: most calls go to the instance, and then need no native call.
 *
 * @internal
 */
export class UrlResolver {
  readonly #ask: Ask
  #token: Token | undefined
  /** Origins whose URLs stay as they are, and whether requests there carry the token. */
  readonly #known = new Map<string, boolean>()
  /** The last one, which adapters that ask for origins nearly always ask for again. */
  #last: { readonly pathOrUrl: string; readonly resolved: ResolvedUrl } | undefined

  constructor(ask: Ask) {
    this.#ask = ask
  }

  resolve(token: Token, pathOrUrl: string): ResolvedUrl {
    if (token !== this.#token) {
      this.#known.clear()
      this.#last = undefined
      this.#token = token
    }
    if (this.#last?.pathOrUrl === pathOrUrl) return this.#last.resolved
    const resolved = this.#find(token, pathOrUrl)
    this.#last = { pathOrUrl, resolved }
    return resolved
  }

  #find(token: Token, pathOrUrl: string): ResolvedUrl {
    const isPath = pathOrUrl.startsWith('/')
    const [, origin, path] = isPath
      ? ['', token.instanceUrl, pathOrUrl]
      : (URL_WITH_PATH.exec(pathOrUrl) ?? [])
    if (origin === undefined || path === undefined || !PLAIN_PATH.test(path))
      return this.#ask(token, pathOrUrl)
    const carriesToken = this.#known.get(origin) ?? this.#learn(token, origin)
    if (carriesToken === undefined) return this.#ask(token, pathOrUrl)
    return { url: isPath ? origin + pathOrUrl : pathOrUrl, carriesToken }
  }

  /** Undefined where the instance has moved to another origin. */
  #learn(token: Token, origin: string): boolean | undefined {
    const { url, carriesToken } = this.#ask(token, `${origin}/`)
    if (url !== `${origin}/`) return undefined
    if (this.#known.size === MAX_ORIGINS) this.#known.clear()
    this.#known.set(origin, carriesToken)
    return carriesToken
  }
}
