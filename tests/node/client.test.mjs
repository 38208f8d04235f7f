// The client as its users see it.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Client, Token } from 'forcegrant'
import { startEmulator, TestClock } from 'forcegrant/testing'
import { assertClean, runFixture } from './support/child.mjs'

let emulator

before(async () => {
  emulator = await startEmulator()
})
beforeEach(() => emulator.control('reset'))
after(() => emulator?.close())

const counters = () => emulator.control('counters')
const HOUR = 3_600_000

test('a token and what belongs to it', async () => {
  const client = new Client(emulator.clientOptions())
  const token = await client.token()
  const { org } = emulator
  assert.equal(token.accessToken.length, 112)
  assert.equal(token.authorization, `Bearer ${token.accessToken}`)
  assert.equal(token.instanceUrl, org.instanceUrl)
  assert.equal(token.orgId, org.orgId)
  assert.equal(token.userId, org.userId)
  assert.ok(token.identityUrl.endsWith(`/id/${org.orgId}/${org.userId}`))
  assert.equal(token.tokenFormat, 'opaque')
  assert.equal(token.tokenType, 'Bearer')
  assert.ok(token.scopes.includes('api'))
  assert.match(token.fingerprint, /^[0-9a-f]{16}$/)
  assert.equal(token.expiry.certainty, 'estimated')
  assert.equal(client.loginHost, org.myDomain)
})

test('10,000 callers on a cold client cause one request, and get one object', async () => {
  await emulator.control('fault', { endpoint: 'token', kind: 'hold' })
  const client = new Client(emulator.clientOptions())
  const calls = Array.from({ length: 10_000 }, () => client.token())
  await emulator.control('wait_requests', { endpoint: 'token', count: 1 })
  await emulator.control('release')
  const tokens = await Promise.all(calls)
  assert.equal(new Set(tokens).size, 1)
  assert.equal((await counters()).token_requests, 1)
})

test('a cached token is returned without a native call', async () => {
  const client = new Client(emulator.clientOptions())
  const token = await client.token()
  // After the second call the fast path is ready; the clock stands still, so it stays valid.
  await client.token()
  const calls = await countNativeCalls(async () => {
    for (let i = 0; i < 100; i++) {
      assert.equal(await client.token(), token)
      assert.equal(client.cached(), token)
    }
  })
  assert.equal(calls, 0)
})

test('cached waits for nothing and asks for nothing', async () => {
  const client = new Client(emulator.clientOptions())
  assert.equal(client.cached(), undefined)
  assert.equal((await counters()).token_requests, 0)
  const token = await client.token()
  assert.equal(client.cached(), token)
})

test('the same object as long as the token is the same, under a test clock too', async () => {
  const clock = new TestClock()
  const client = new Client(emulator.clientOptions({ clock }))
  const token = await client.token()
  assert.equal(await client.token(), token)
  assert.equal(client.cached(), token)
  clock.advance(60_000)
  assert.equal(await client.token(), token)
})

test('the same text with another end is another object: a token says the truth about its end', async () => {
  const clock = new TestClock()
  const client = new Client(emulator.clientOptions({ clock }))
  const first = await client.token()
  clock.advance(2 * HOUR)
  const second = await client.token()
  await client.waitIdle()
  const third = await client.token()
  assert.equal(third.accessToken, first.accessToken)
  assert.ok(third.expiry.at > first.expiry.at)
  assert.ok(second.expiry.at >= first.expiry.at)
})

test('a refresh happens behind the callers', async () => {
  const clock = new TestClock()
  const client = new Client(emulator.clientOptions({ clock, sessionTimeout: HOUR }))
  const first = await client.token()
  await emulator.control('fault', { endpoint: 'token', kind: 'hold' })
  clock.advance(HOUR - 300_000)
  assert.equal(await client.token(), first)
  await emulator.control('wait_requests', { endpoint: 'token', count: 2 })
  assert.equal(await client.token(), first)
  await emulator.control('release')
  await client.waitIdle()
  assert.ok((await client.token()).expiry.at > first.expiry.at)
  assert.equal((await counters()).token_requests, 2)
})

test('invalidate by token and by text; a late report changes nothing', async () => {
  await emulator.control('configure', { app: { distinct_tokens: true } })
  const client = new Client(emulator.clientOptions())
  const first = await client.token()
  assert.equal(client.invalidate(first), true)
  assert.equal(client.invalidate(first), false)
  assert.equal(client.cached(), undefined)
  const second = await client.token()
  assert.notEqual(second.accessToken, first.accessToken)
  assert.equal(client.invalidate(first), false)
  assert.equal(client.cached(), second)
  assert.equal(client.invalidate(second.accessToken), true)
  assert.equal(client.cached(), undefined)
  assert.throws(() => client.invalidate(7), TypeError)
})

test('a call that comes after an eviction does not get what a request from before it brings', async () => {
  await emulator.control('configure', { app: { distinct_tokens: true } })
  const client = new Client(emulator.clientOptions())
  const first = await client.token()
  client.invalidate(first)
  const [second, third] = await Promise.all([client.token(), client.token()])
  assert.equal(second, third)
  assert.notEqual(second.accessToken, first.accessToken)
  assert.equal((await counters()).token_requests, 2)
})

test('verify gets a new token and calls an API with it', async () => {
  const client = new Client(emulator.clientOptions())
  const { token, orgId, userId, apiUsage, loginHost } = await client.verify()
  assert.ok(token instanceof Token)
  assert.equal(await client.token(), token)
  assert.deepEqual(
    { orgId, userId, loginHost },
    { orgId: emulator.org.orgId, userId: emulator.org.userId, loginHost: emulator.org.myDomain },
  )
  assert.ok(apiUsage.used >= 1 && apiUsage.limit > apiUsage.used)
  const { logins, data_calls } = await counters()
  assert.deepEqual({ logins, data_calls }, { logins: 1, data_calls: 1 })
})

test('reset forgets the token and the failures', async () => {
  const client = new Client(emulator.clientOptions())
  await client.token()
  client.reset()
  assert.equal(client.cached(), undefined)
  await emulator.control('fault', {
    endpoint: 'token',
    kind: 'refusal',
    first: 1,
    params: { error: 'invalid_grant', description: 'no client credentials user enabled' },
  })
  await assert.rejects(client.token(), { code: 'no_run_as_user' })
  await assert.rejects(client.token(), { code: 'no_run_as_user' })
  client.reset()
  await client.token()
  assert.equal((await counters()).token_requests, 3)
})

test('reset during a request: callers that wait get its response, and later callers log in again', async () => {
  await emulator.control('fault', { endpoint: 'token', kind: 'hold' })
  const client = new Client(emulator.clientOptions())
  const before = client.token()
  await emulator.control('wait_requests', { endpoint: 'token', count: 1 })
  client.reset()
  const afterwards = client.token()
  await emulator.control('release')
  assert.equal((await before).orgId, emulator.org.orgId)
  assert.equal((await afterwards).orgId, emulator.org.orgId)
  await client.waitIdle()
})

test('status describes the state of the client', async () => {
  const client = new Client(emulator.clientOptions())
  const token = await client.token()
  const { state, fingerprint, logins, failures, loginHost, expiry } = client.status()
  assert.deepEqual(
    { state, fingerprint, logins, failures, loginHost, expiry },
    {
      state: 'fresh',
      fingerprint: token.fingerprint,
      logins: 1,
      failures: 0,
      loginHost: emulator.org.myDomain,
      expiry: token.expiry,
    },
  )
  assert.ok(Object.isFrozen(client.status()))
})

test('the last failure is in the status, and holds for a while', async () => {
  const client = new Client(emulator.clientOptions({ clientSecret: 'wrong' }))
  await assert.rejects(client.token(), { code: 'invalid_client_secret' })
  const { state, lastError, lastFailureAt, backingOffUntil } = client.status()
  assert.equal(state, 'backing_off')
  assert.equal(lastError.code, 'invalid_client_secret')
  assert.ok(lastFailureAt <= new Date() && backingOffUntil > lastFailureAt)
  await assert.rejects(client.token(), { code: 'invalid_client_secret' })
  assert.equal((await counters()).token_requests, 1)
})

test('a token can be taken apart', async () => {
  const { accessToken, instanceUrl } = await new Client(emulator.clientOptions()).token()
  assert.ok(accessToken.startsWith('00D') && instanceUrl.startsWith('https://'))
})

test('fromEnv reads the environment, and its aliases', async () => {
  const { org } = emulator
  const { resolve, roots } = emulator.clientOptions()
  for (const env of [
    {
      SALESFORCE_LOGIN_URL: org.myDomain,
      SALESFORCE_CLIENT_ID: org.clientId,
      SALESFORCE_CLIENT_SECRET: org.clientSecret,
    },
    {
      SALESFORCE_DOMAIN: org.myDomain,
      SALESFORCE_CONSUMER_KEY: org.clientId,
      SALESFORCE_CONSUMER_SECRET: org.clientSecret,
    },
  ]) {
    const run = await runFixture('from-env.mjs', { options: { resolve, roots, proxy: 'none' }, env })
    assertClean(run)
    assert.equal(JSON.parse(run.stdout).orgId, org.orgId)
  }
})

test('fromEnv names what is missing, and takes nothing that the environment gives', async () => {
  const run = await runFixture('from-env.mjs', { env: { SALESFORCE_LOGIN_URL: 'acme.my.salesforce.com' } })
  assertClean(run)
  const { code, message } = JSON.parse(run.stdout)
  assert.equal(code, 'missing_credentials')
  assert.match(message, /SALESFORCE_CLIENT_SECRET|SALESFORCE_CLIENT_ID/)
  assert.throws(() => Client.fromEnv({ clientId: 'id' }), /clientId comes from the environment/)
})

/** Counts calls of the native client while `body` runs with a clock that stands still. */
async function countNativeCalls(body) {
  const { createRequire } = await import('node:module')
  const { native } = createRequire(import.meta.url)('../../bindings/node/dist/loader.cjs')
  const prototype = native().NativeClient.prototype
  const methods = Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor')
  const originals = methods.map((name) => [name, Object.getOwnPropertyDescriptor(prototype, name)])
  const { now } = Date
  const stopped = now()
  let calls = 0
  for (const [name, { value }] of originals) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      writable: true,
      value(...given) {
        calls += 1
        return value.apply(this, given)
      },
    })
  }
  Date.now = () => stopped
  try {
    await body()
  } finally {
    Date.now = now
    for (const [name, descriptor] of originals) Object.defineProperty(prototype, name, descriptor)
  }
  return calls
}
