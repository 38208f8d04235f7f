// An extension of faye, the client by which jsforce streams: it renews the session of a stream.
import type { Client } from './client.cjs'
import { conceal } from './scrub.cjs'
import type { Token } from './token.cjs'

/** What of a message of the streaming API (Bayeux) tells about the session. */
interface Message {
  readonly channel?: string
  readonly successful?: boolean
  readonly error?: unknown
  readonly errorCode?: unknown
  readonly ext?: { readonly sfdc?: { readonly failureReason?: unknown } } | null
  advice?: { reconnect?: string; interval?: number } | null
}

type Pass = (message: Message) => void

/** What is used of faye's client, by which jsforce streams. */
interface FayeClient {
  readonly _dispatcher: {
    readonly endpoint: { readonly href: string }
    readonly headers: Record<string, string>
  }
}

interface Streaming {
  _createClient(channel: string | null, extensions?: readonly object[]): FayeClient
}

/**
 * Has every streaming client that a connection makes from now on send the client's present token, and renew it: a
 * session that ends costs a new handshake, after which the subscriptions are made again. `update` has the connection
 * take over the present instance, to which a new client goes.
 */
export function renewStreaming(connection: object, client: Client, update: () => void): void {
  // `jsforce/core` comes without.
  const { streaming } = connection as { streaming?: Streaming }
  if (streaming === undefined) return
  const create = streaming._createClient.bind(streaming)
  streaming._createClient = (channel, extensions) => {
    update()
    // First of all, so that the user's own extensions do not see what is mended.
    return create(channel, [new Renewal(client), ...(extensions ?? [])])
  }
}

/** An extension of faye's client. */
class Renewal {
  readonly #client: Client
  #faye: FayeClient | undefined
  /** The token of the last message; none if there was none to be had, or its host may not see it. */
  #token: Token | undefined
  #isLoginFailing = false
  /** A token that followed a refusal has to be accepted before another may be requested. */
  #isProven = true

  constructor(client: Client) {
    this.#client = client
  }

  added(faye: FayeClient): void {
    this.#faye = faye
    conceal(faye._dispatcher, 'headers')
  }

  outgoing(message: Message, pass: Pass): void {
    this.#client
      .token()
      .then(
        (token) => this.#present(token, false),
        () => this.#present(undefined, true),
      )
      .finally(() => pass(message))
  }

  incoming(message: Message, pass: Pass): void {
    if (!isRefusal(message)) {
      if (message.successful === true) this.#isProven = true
    } else if (this.#token === undefined) {
      if (this.#isLoginFailing) reconnect(message, LOGIN_PAUSE)
    } else if (this.#isProven) {
      this.#client.invalidate(this.#token)
      this.#isProven = false
      reconnect(message, 0)
    }
    pass(message)
  }

  #present(token: Token | undefined, isLoginFailing: boolean): void {
    this.#isLoginFailing = isLoginFailing
    this.#token = undefined
    if (this.#faye === undefined) return
    const { endpoint, headers } = this.#faye._dispatcher
    delete headers['Authorization']
    if (token === undefined || !this.#client.isAllowedFor(token, endpoint.href)) return
    this.#token = token
    headers['Authorization'] = `OAuth ${token.accessToken}`
  }
}

/** Milliseconds until faye tries again while there is no token: the client itself decides when it logs in. */
const LOGIN_PAUSE = 5000

/** The forms are documented for `failureReason`, and seen for the others. */
function isRefusal({ channel, successful, error, errorCode, ext }: Message): boolean {
  if (errorCode === 'INVALID_SESSION_ID') return true
  if (successful !== false || channel === undefined || !channel.startsWith('/meta/')) return false
  return [error, ext?.sfdc?.failureReason].some((why) => String(why).startsWith('401::'))
}

/** The server says that it is over ("none"); with another token it is not. A failed handshake repeats itself. */
function reconnect(message: Message, interval: number): void {
  const advice = message.channel === '/meta/handshake' ? 'retry' : 'handshake'
  message.advice = { ...message.advice, reconnect: advice, interval }
}
