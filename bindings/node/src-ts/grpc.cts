// The adapter for grpc-js: credentials for each call, and an interceptor that sees what came of it.
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
import { adapterError, tokenNotSentTo } from './errors.cjs'
import { peer } from './peer.cjs'
import type { Token } from './token.cjs'

const grpc = peer('forcegrant/grpc', '@grpc/grpc-js', () => require('@grpc/grpc-js') as typeof Library)

/**
 * Call credentials for the Pub/Sub API: `accesstoken`, `instanceurl` and `tenantid` of a token. The host of the
 * API must be named in the option `trustedHosts`, such as `'.pubsub.salesforce.com'`; gRPC itself sends them over
 * TLS only. They do not see what comes of a call: {@link interceptor} does.
 */
export function callCredentials(client: Client): CallCredentials {
  return credentialsOf(client, () => {})
}

/**
 * An interceptor that gives each call such credentials, and drops the token that a call was refused with
 * (UNAUTHENTICATED). A unary call is then made once more with a new token; of one that streams, the next call
 * gets it.
 */
export function interceptor(client: Client): Interceptor {
  return (options, nextCall) => new GrpcCall(client, options, nextCall).call()
}

class GrpcCall {
  readonly #client: Client
  readonly #options: InterceptorOptions
  readonly #nextCall: NextCall
  readonly #isUnary: boolean
  #token: Token | undefined
  #metadata: Metadata = new grpc.Metadata()
  #message: unknown
  #isOver = false
  /** The repeated call, once there is one. */
  #repeated: ReturnType<NextCall> | undefined

  constructor(client: Client, options: InterceptorOptions, nextCall: NextCall) {
    const note = (token: Token) => {
      this.#token = token
    }
    const own = typeof options.host !== 'string' ? credentialsOf(client, note) : REFUSING
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
            if (this.#isExpired(status) && this.#isUnary && !this.#isOver) this.#repeat(listener)
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
        this.#repeated?.cancelWithStatus(1, 'Cancelled on client')
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

  #repeat(listener: InterceptingListener): void {
    const repeated = this.#nextCall(this.#options)
    this.#repeated = repeated
    repeated.start(this.#metadata, {
      onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveStatus: (status) => listener.onReceiveStatus(status),
    })
    repeated.sendMessage(this.#message)
    repeated.startRead()
    repeated.halfClose()
  }
}

/** gRPC tells credentials this name, and connects to where the channel was made for. */
const REFUSING = grpc.credentials.createFromMetadataGenerator((_, callback) => {
  const help = 'Leave it out: a token goes only to the host that the channel was made for.'
  callback(adapterError('invalid_option', 'the call option `host`: it would hide where the token goes', help))
})

function credentialsOf(client: Client, note: (token: Token) => void): CallCredentials {
  const metadataOfToken = metadataFor(client)
  return grpc.credentials.createFromMetadataGenerator(({ service_url: url }, callback) => {
    const give = (token: Token) => {
      const metadata = metadataOfToken(token, url)
      if (metadata === undefined) return callback(tokenNotSentTo(new URL(url).host))
      note(token)
      callback(null, metadata)
    }
    const kept = client.kept()
    if (kept !== undefined) give(kept)
    else client.token().then(give, (error: Error) => callback(error))
  })
}

const METADATA = new WeakMap<Client, (token: Token, url: string) => Metadata | undefined>()

/** The metadata of a token for a service, made once; none where the token may not go. */
function metadataFor(client: Client): (token: Token, url: string) => Metadata | undefined {
  const known = METADATA.get(client)
  if (known !== undefined) return known
  let last: { token: Token; url: string; metadata: Metadata | undefined } | undefined
  const present = (token: Token, url: string) => {
    if (last === undefined || last.token !== token || last.url !== url) {
      last = { token, url, metadata: client.isAllowedFor(token, url) ? metadataOf(token) : undefined }
    }
    return last.metadata
  }
  METADATA.set(client, present)
  return present
}

function metadataOf(token: Token): Metadata {
  const metadata = new grpc.Metadata()
  metadata.set('accesstoken', token.accessToken)
  metadata.set('instanceurl', token.instanceUrl)
  if (token.orgId !== undefined) metadata.set('tenantid', token.orgId)
  return metadata
}
