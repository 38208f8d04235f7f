// The types as an ES module sees them. Compiled, never run.
import {
  Client,
  type ClientOptions,
  classifyResponse,
  type ErrorCode,
  type Expiry,
  ForcegrantError,
  LoginRateError,
  RefusedError,
  type Status,
  type Token,
  type Verified,
} from 'forcegrant'
import { type Emulator, startEmulator, TestClock } from 'forcegrant/testing'

const options: ClientOptions = {
  loginUrl: 'acme.my.salesforce.com',
  clientId: 'id',
  clientSecret: 'secret',
  authStyle: 'basic',
  resolve: { 'acme.my.salesforce.com': '127.0.0.1:8443' },
  roots: 'platform',
  proxy: null,
  connectTimeout: null,
  refusalBackoff: [5000, 60_000],
  clock: new TestClock(),
}
const client = new Client(options)
const other: Client = Client.fromEnv({ sessionTimeout: 3_600_000 })

export async function use(signal: AbortSignal): Promise<Date> {
  const { accessToken, instanceUrl }: Token = await client.token({ signal })
  const text: string = accessToken + instanceUrl
  const cached: Token | undefined = other.cached()
  const evicted: boolean = client.invalidate(cached ?? text)
  const status: Status = client.status()
  const verified: Verified = await client.verify()
  const expiry: Expiry = verified.token.expiry
  const certainty: 'known' | 'estimated' = expiry.certainty
  await client.waitIdle()
  client.reset()
  console.log(evicted, certainty, status.lastError?.setupStep)
  return expiry.at
}

export function explain(error: unknown): string {
  if (!(error instanceof ForcegrantError)) return 'something else'
  const code: ErrorCode = error.code
  if (error instanceof LoginRateError) return `wait ${error.retryAfter ?? 0} ms`
  if (error instanceof RefusedError) return `${error.oauthError}: see ${error.setupStep}`
  switch (code) {
    case 'timeout':
      return 'slow'
    // @ts-expect-error: there is no such code
    case 'no_such_code':
      return 'never'
    default:
      return error.help ?? error.message
  }
}

export async function test(): Promise<void> {
  await using emulator: Emulator = await startEmulator()
  const token = await new Client(emulator.clientOptions({ authStyle: 'basic' })).token()
  // @ts-expect-error: a token cannot be changed
  token.accessToken = 'other'
  // @ts-expect-error: the credentials are required
  new Client({ loginUrl: 'acme.my.salesforce.com' })
  // @ts-expect-error: there is no such option
  new Client({ ...options, timeout: 5 })
  // @ts-expect-error: times are numbers of milliseconds
  new Client({ ...options, connectTimeout: '5s' })
  // @ts-expect-error: the environment gives it
  Client.fromEnv({ clientId: 'id' })
  // @ts-expect-error: only the client makes tokens
  const made: Token = { accessToken: 'x' }
  console.log(made)
}

export async function call(signal: AbortSignal): Promise<number | undefined> {
  const vault: ClientOptions = {
    loginUrl: 'acme.my.salesforce.com',
    credentialsCallback: async () => ({ clientId: 'id', clientSecret: 'secret', next: null }),
    fetch: globalThis.fetch,
    onEvent: (event) => event.measurements.map(({ name, value, attributes }) => [name, value, attributes]),
  }
  const response: Response = await new Client(vault).fetch('/services/data', {
    method: 'POST',
    body: 'x',
    signal,
  })
  const { status, headers } = response
  return (
    classifyResponse({ status, headers, body: await response.text() }).apiUsage?.used ??
    client.limits()?.limit
  )
}
