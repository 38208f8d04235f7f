import type * as Library from '@grpc/grpc-js'
import type {
  CallCredentials,
  InterceptingCall,
  InterceptingListener,
  Interceptor,
  InterceptorOptions,
  Metadata,
  NextCall,
  StatusObject,
} from '@grpc/grpc-js'
import { classifyGrpcStatus } from './classification.cjs'
import type { Client } from './client.cjs'
import { ConfigurationError, noTokenGoesTo } from './errors.cjs'
import { peer } from './peer.cjs'
import type { Token } from './token.cjs'

const grpc = peer('forcegrant/grpc', '@grpc/grpc-js', () => require('@grpc/grpc-js') as typeof Library)

/**
 * Call credentials for the Pub/Sub API: `accesstoken`, `instanceurl` and `tenantid` of a token at hand. The host of the
 * API must be named in the option `trustedHosts`, such as `'.pubsub.salesforce.com'`; gRPC itself sends them over
 * TLS only. They do not see what comes of a call: {@link interceptor} does.
 */
export function callCredentials(client: Client): CallCredentials {
  return bringing(client, () => {})
}

/**
 * An interceptor that gives each call such credentials, and drops the very token that a call was refused for
 * (UNAUTHENTICATED). A unary call is then made once more with a new token; of one that streams, the next call
 * gets it.
 */
export function interceptor(client: Client): Interceptor {
  return (options, nextCall) => new Exchange(client, options, nextCall).call()
}

class Exchange {
  readonly #client: Client
  readonly #options: InterceptorOptions
  readonly #nextCall: NextCall
  readonly #isUnary: boolean
  #token: Token | undefined
  #metadata: Metadata = new grpc.Metadata()
  #message: unknown
  #isOver = false
  /** The second call, once there is one. */
  #second: ReturnType<NextCall> | undefined

  constructor(client: Client, options: InterceptorOptions, nextCall: NextCall) {
    const note = (token: Token) => {
      this.#token = token
    }
    const own = typeof options.host !== 'string' ? bringing(client, note) : REFUSING
    this.#client = client
    this.#options = { ...options, credentials: options.credentials?.compose(own) ?? own }
    this.#nextCall = nextCall
    const { requestStream, responseStream } = options.method_definition
    this.#isUnary = !requestStream && !responseStream
  }

  call(): InterceptingCall {
    return new grpc.InterceptingCall(this.#nextCall(this.#options), {
      start: (metadata, listener, next) => {
        this.#metadata = metadata.clone()
        next(metadata, {
          onReceiveStatus: (status, pass) => {
            if (this.#isExpired(status) && this.#isUnary && !this.#isOver) this.#again(listener)
            else pass(status)
          },
        })
      },
      sendMessage: (message, next) => {
        if (this.#isUnary) this.#message = message
        next(message)
      },
      cancel: (next) => {
        this.#isOver = true
        this.#second?.cancelWithStatus(1, 'Cancelled on client')
        next()
      },
    })
  }

  #isExpired({ code }: StatusObject): boolean {
    if (this.#token === undefined || code === grpc.status.OK) return false
    if (classifyGrpcStatus(code) !== 'session_expired') return false
    this.#client.invalidate(this.#token)
    return true
  }

  #again(listener: InterceptingListener): void {
    const second = this.#nextCall(this.#options)
    this.#second = second
    second.start(this.#metadata, {
      onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveStatus: (status) => listener.onReceiveStatus(status),
    })
    second.sendMessage(this.#message)
    second.startRead()
    second.halfClose()
  }
}

/** gRPC tells credentials this name, and connects to where the channel was made for. */
const REFUSING = grpc.credentials.createFromMetadataGenerator((_, callback) => {
  const help = 'Leave it out: a token goes only to the host that the channel was made for.'
  const message = `the call option \`host\`: it would hide where the token goes\n  ${help}`
  callback(new ConfigurationError({ code: 'invalid_option', kind: 'configuration', message, help }))
})

function bringing(client: Client, note: (token: Token) => void): CallCredentials {
  const present = presentation(client)
  return grpc.credentials.createFromMetadataGenerator(({ service_url: url }, callback) => {
    const bring = (token: Token) => {
      const metadata = present(token, url)
      if (metadata === undefined) return callback(noTokenGoesTo(new URL(url).host))
      note(token)
      callback(null, metadata)
    }
    const kept = client.kept()
    if (kept !== undefined) bring(kept)
    else client.token().then(bring, (error: Error) => callback(error))
  })
}

const PRESENTATIONS = new WeakMap<Client, (token: Token, url: string) => Metadata | undefined>()

/** What a token is presented by, made once for it and a service; none where it may not go. */
function presentation(client: Client): (token: Token, url: string) => Metadata | undefined {
  const known = PRESENTATIONS.get(client)
  if (known !== undefined) return known
  let last: { token: Token; url: string; metadata: Metadata | undefined } | undefined
  const present = (token: Token, url: string) => {
    if (last === undefined || last.token !== token || last.url !== url) {
      last = { token, url, metadata: client.isAllowedFor(token, url) ? metadataOf(token) : undefined }
    }
    return last.metadata
  }
  PRESENTATIONS.set(client, present)
  return present
}

function metadataOf(token: Token): Metadata {
  const metadata = new grpc.Metadata()
  metadata.set('accesstoken', token.accessToken)
  metadata.set('instanceurl', token.instanceUrl)
  if (token.orgId !== undefined) metadata.set('tenantid', token.orgId)
  return metadata
}
