// Values keep their meaning between Rust and JavaScript: absent values, times, numbers.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Client, ConfigurationError, Token } from 'forcegrant'
import { startEmulator, TestClock } from 'forcegrant/testing'

let emulator

before(async () => {
  emulator = await startEmulator()
})
beforeEach(() => emulator.control('reset'))
after(() => emulator?.close())

const OPTIONAL = [
  'nextCredentials',
  'introspect',
  'introspectionTimeout',
  'loginBudget',
  'clientSecretFile',
  'authStyle',
  'tokenUrl',
  'trustedHosts',
  'allowHttpLoopback',
  'connectTimeout',
  'attemptTimeout',
  'totalTimeout',
  'maxAttempts',
  'retryBackoff',
  'retryAfterCap',
  'callAttempts',
  'callBackoff',
  'callRetryAfterCap',
  'sessionTimeout',
  'refreshWindow',
  'safetyMargin',
  'maxStale',
  'refusalBackoff',
  'transientBackoff',
  'clock',
  'onEvent',
]

test('undefined, null and missing are the same, for every option', async () => {
  for (const absent of [undefined, null]) {
    const nothing = Object.fromEntries(OPTIONAL.map((name) => [name, absent]))
    const token = await new Client(emulator.clientOptions(nothing)).token()
    assert.equal(token.expiry.source, 'default')
  }
  const options = { loginUrl: 'acme.my.salesforce.com', clientId: 'id', clientSecret: 'secret' }
  for (const absent of [undefined, null]) new Client({ ...options, resolve: absent, roots: absent })
})

test('undefined, null and missing are the same, for what is required', () => {
  const codes = [{}, { clientSecret: undefined }, { clientSecret: null }].map((missing) => {
    const options = { loginUrl: 'acme.my.salesforce.com', clientId: 'id', ...missing }
    return configurationError(() => new Client(options)).code
  })
  assert.deepEqual(codes, Array(3).fill(codes[0]))
})

test('undefined, null and missing are the same, for the options of a call', async () => {
  const client = new Client(emulator.clientOptions())
  const tokens = [client.token(), client.token(undefined), client.token(null), client.token({ signal: null })]
  assert.equal(new Set(await Promise.all(tokens)).size, 1)
  assert.equal(await client.token({}), await client.token(null))
  await client.verify(null)
  await client.waitIdle(null)
})

test('absent values of a token are undefined', async () => {
  await emulator.control('configure', {
    app: { omit: ['scope', 'token_format', 'issued_at', 'id', 'signature'] },
  })
  const token = await new Client(emulator.clientOptions()).token()
  for (const name of ['apiInstanceUrl', 'issuedAt', 'identityUrl']) assert.equal(token[name], undefined, name)
  assert.deepEqual(token.scopes, [])
})

test('absent values of a status are undefined, before the first token', () => {
  const status = new Client(emulator.clientOptions()).status()
  for (const name of [
    'expiry',
    'refreshAt',
    'fingerprint',
    'lastError',
    'lastFailureAt',
    'backingOffUntil',
    'lastRejectedAge',
    'learnedLifetime',
  ]) {
    assert.ok(Object.hasOwn(status, name), name)
    assert.equal(status[name], undefined, name)
  }
  assert.deepEqual([status.state, status.inFlight, status.logins, status.failures], ['empty', false, 0, 0])
})

test('times are Dates: in tokens, states and clocks', async () => {
  const start = new Date('2031-02-03T04:05:06.789Z')
  const clock = new TestClock(start)
  assert.deepEqual(clock.now(), start)
  clock.advance(1500.5)
  assert.equal(clock.now().getTime(), start.getTime() + 1500)

  const client = new Client(emulator.clientOptions({ clock, sessionTimeout: 3_600_000 }))
  const token = await client.token()
  assert.ok(token.issuedAt instanceof Date)
  assert.ok(token.expiry.at instanceof Date)
  assert.deepEqual(token.expiry.at, new Date(start.getTime() + 1500 + 3_600_000))
  const { expiry, refreshAt } = client.status()
  assert.deepEqual(expiry, token.expiry)
  assert.ok(refreshAt instanceof Date && refreshAt < expiry.at && refreshAt > clock.now())

  clock.setWall(new Date('2020-01-01T00:00:00Z'))
  assert.deepEqual(clock.now(), new Date('2020-01-01T00:00:00Z'))
})

test('a Date that a caller changes is not the one that the token keeps', async () => {
  const token = await new Client(emulator.clientOptions()).token()
  const { at } = token.expiry
  token.expiry.at.setTime(0)
  token.issuedAt.setTime(0)
  assert.deepEqual(token.expiry.at, at)
  assert.notEqual(token.issuedAt.getTime(), 0)
})

test('no number loses a digit: what is too large for one is a bigint', async () => {
  const extra = { small: 7, safe: 9007199254740991, large: 9007199254740993n, negative: -9007199254740993n }
  const text = JSON.stringify(extra, (_key, value) => (typeof value === 'bigint' ? `<${value}>` : value))
  const body = JSON.stringify({
    access_token: '00Dxx0000000001!canary',
    instance_url: emulator.org.instanceUrl,
    token_type: 'Bearer',
    ...JSON.parse(text),
  }).replaceAll(/"<(-?\d+)>"/g, '$1')
  const params = { status: 200, body, content_type: 'application/json' }
  await emulator.control('fault', { endpoint: 'token', kind: 'status', params })
  const token = await new Client(emulator.clientOptions()).token()
  assert.deepEqual({ ...token.extra }, extra)
  JSON.stringify(token)
})

test('a token cannot be changed', async () => {
  await emulator.control('configure', { app: { extra: { deep: { list: [1] } } } })
  const token = await new Client(emulator.clientOptions()).token()
  assert.ok(token instanceof Token && Object.isFrozen(token))
  assert.throws(() => token.scopes.push('full'), TypeError)
  assert.throws(() => token.extra.deep.list.push(2), TypeError)
  assert.throws(() => Object.assign(token, { accessToken: 'other' }), TypeError)
})

test('an option of a wrong type is named, with a right value and without its own', () => {
  const secret = 'CANARY-0123456789'
  const wrong = {
    loginUrl: 7,
    clientId: [secret],
    clientSecret: { secret },
    clientSecretFile: 1,
    nextCredentials: secret,
    introspect: secret,
    introspectionTimeout: secret,
    loginBudget: secret,
    authStyle: secret,
    tokenUrl: 5,
    trustedHosts: secret,
    allowHttpLoopback: secret,
    resolve: ['acme'],
    roots: 3,
    proxy: false,
    connectTimeout: secret,
    attemptTimeout: -1,
    totalTimeout: Number.NaN,
    maxAttempts: 1.5,
    retryBackoff: Number.POSITIVE_INFINITY,
    retryAfterCap: '5',
    sessionTimeout: 10n,
    refreshWindow: {},
    safetyMargin: [],
    maxStale: () => 1,
    refusalBackoff: [1],
    transientBackoff: [1, -1],
    clock: {},
    onEvent: 'log',
  }
  for (const [name, value] of Object.entries(wrong)) {
    const options = { loginUrl: 'acme.my.salesforce.com', clientId: 'id', clientSecret: 'x', [name]: value }
    const { code, message } = configurationError(() => new Client(options))
    assert.equal(code, 'invalid_option', name)
    assert.ok(message.includes(`option \`${name}\`:`), message)
    assert.ok(!message.includes('CANARY'), message)
  }
})

test('an option that does not exist is an error that names the one that was meant', () => {
  for (const [name, meant] of Object.entries({
    client_id: 'clientId',
    loginURL: 'loginUrl',
    timeout: undefined,
  })) {
    const { code, message } = configurationError(() => new Client({ [name]: 'x' }))
    assert.equal(code, 'invalid_option')
    assert.ok(message.includes(name))
    assert.equal(message.includes('Did you mean'), meant !== undefined)
    if (meant) assert.ok(message.includes(meant))
  }
  assert.equal(configurationError(() => new Client('acme.my.salesforce.com')).code, 'invalid_option')
})

test('an address that is none is an error that names the option and the host', () => {
  const { message } = configurationError(
    () => new Client(emulator.clientOptions({ resolve: { 'a.b': 'nowhere' } })),
  )
  assert.match(message, /resolve/)
  assert.match(message, /a\.b/)
})

function configurationError(build) {
  try {
    build()
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, error.stack)
    return error
  }
  return assert.fail('it was built')
}
