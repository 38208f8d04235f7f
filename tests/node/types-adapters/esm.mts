// The types of the adapters beside those of the libraries, as an ES module sees them. Compiled, never run.
import type grpc from '@grpc/grpc-js'
import axios from 'axios'
import { type ApiUsage, Client, ReplayError, TokenRejectedError } from 'forcegrant'
import { attach } from 'forcegrant/axios'
import { callCredentials, interceptor } from 'forcegrant/grpc'
import { connect } from 'forcegrant/jsforce'
import { forcegrant } from 'forcegrant/undici'
import type { Connection } from 'jsforce'
import { Agent, type Dispatcher, interceptors } from 'undici'

const sf = Client.fromEnv({ callAttempts: 3, callBackoff: [500, 10_000], callRetryAfterCap: 30_000 })

export async function use(signal: AbortSignal): Promise<void> {
  const response: Response = await sf.fetch('/services/data', { method: 'GET', signal })
  const usage: ApiUsage | undefined = sf.limits()
  const detach: () => void = attach(axios.create(), sf)
  const dispatcher: Dispatcher = new Agent().compose(
    forcegrant(sf),
    interceptors.redirect({ maxRedirections: 3 }),
  )
  const connection: Connection = await connect(sf, { version: '67.0' })
  const secure: grpc.CallCredentials = callCredentials(sf)
  const options: grpc.ClientOptions = { interceptors: [interceptor(sf)] }
  // @ts-expect-error: the client decides who is logged in
  await connect(sf, { accessToken: 'x' })
  // @ts-expect-error: an instance of axios, not a client of ours
  attach(sf, sf)
  detach()
  console.log(response.ok, usage?.used, connection.version, secure, options)
  await dispatcher.close()
}

export function isRepeatable(error: unknown): boolean {
  if (error instanceof ReplayError) return error.retryable
  return error instanceof TokenRejectedError && error.code !== 'fresh_token_refused'
}
