// Clients of many orgs by key. What a pool decides is tested in the core.
import assert from 'node:assert/strict'
import diagnostics from 'node:diagnostics_channel'
import { after, before, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { Client, ClientPool, ConfigurationError, EVENT_CHANNEL, RefusedError } from 'forcegrant'
import { startEmulator, TestClock } from 'forcegrant/testing'

let emulator

before(async () => {
  emulator = await startEmulator()
})
beforeEach(() => emulator.control('reset'))
after(() => emulator?.close())

/** The options of a client without those of one org. */
function shared(more) {
  const { loginUrl, clientId, clientSecret, ...options } = emulator.clientOptions()
  return { ...options, ...more }
}

function org(more) {
  const { loginUrl, clientId, clientSecret } = emulator.clientOptions()
  return { loginUrl, clientId, clientSecret, ...more }
}

function pool(more) {
  const made = new ClientPool(shared(more))
  made.insert('acme', org())
  return made
}

const requests = async () => (await emulator.control('counters')).token_requests

test('a key has its token, which is one object while it is cached', async () => {
  const tokens = pool()
  const token = await tokens.token('acme')
  assert.equal(token.orgId, emulator.org.orgId)
  assert.equal(await tokens.token('acme'), token)
  assert.equal(tokens.cached('acme'), token)
  assert.equal(await requests(), 1)
  assert.equal(tokens.size, 1)
  assert.equal(tokens.has('acme'), true)
  assert.equal(tokens.has('globex'), false)
  assert.equal(inspect(tokens), 'ClientPool { size: 1, maxClients: 10000 }')
})

test('an unknown key is a typed error', async () => {
  const tokens = pool()
  await assert.rejects(tokens.token('globex'), { code: 'unknown_key' })
  assert.throws(() => tokens.client('globex'), ConfigurationError)
  assert.throws(() => tokens.setCredentials('globex', org()), { code: 'unknown_key' })
  assert.equal(tokens.status('globex'), undefined)
  assert.equal(tokens.cached('globex'), undefined)
  assert.equal(tokens.invalidate('globex', 'x'), false)
  assert.equal(tokens.remove('globex'), false)
  await assert.rejects(tokens.token(7), TypeError)
})

test('a callback is asked with the key, once for many callers', async () => {
  const asked = []
  const tokens = new ClientPool(
    shared({
      credentialsCallback: async (key) => {
        asked.push(key)
        return org()
      },
    }),
  )
  const all = await Promise.all(Array.from({ length: 1_000 }, () => tokens.token('acme')))
  assert.equal(new Set(all).size, 1)
  assert.deepEqual(asked, ['acme'])
  assert.equal(await requests(), 1)
})

test('what the callback throws is the cause of a typed error', async () => {
  for (const [callback, said] of [
    [() => Promise.reject(new Error('the vault is sealed')), /sealed/],
    [() => ({ clientId: 'id', clientSecret: 'secret' }), /loginUrl/],
  ]) {
    const tokens = new ClientPool(shared({ credentialsCallback: callback }))
    const failed = await tokens.token('acme').catch((error) => error)
    assert.equal(failed.code, 'credentials_unavailable')
    assert.match(failed.cause.message, said)
  }
})

test('new credentials keep the token that still works', async () => {
  const tokens = pool()
  const token = await tokens.token('acme')
  tokens.setCredentials('acme', org({ clientSecret: 'retired' }))
  assert.equal((await tokens.token('acme')).accessToken, token.accessToken)
  await emulator.control('kill_sessions')
  assert.equal(tokens.invalidate('acme', token), true)
  assert.equal(tokens.invalidate('acme', token.accessToken), false)
  await assert.rejects(tokens.token('acme'), RefusedError)
  const { clientId, clientSecret } = org()
  tokens.insert('acme', org({ clientSecret: 'retired', next: { clientId, clientSecret } }))
  assert.equal((await tokens.token('acme')).orgId, emulator.org.orgId)
  assert.throws(() => tokens.insert('acme', { clientId }), TypeError)
})

test('a client of a key shares its token and calls APIs', async () => {
  const tokens = pool()
  const client = tokens.client('acme')
  assert.ok(client instanceof Client)
  assert.equal((await client.token()).accessToken, (await tokens.token('acme')).accessToken)
  assert.equal(tokens.client('acme'), client)
  assert.equal(await requests(), 1)
  assert.equal(tokens.remove('acme'), true)
  await assert.rejects(tokens.token('acme'), { code: 'unknown_key' })
  assert.equal((await client.token()).orgId, emulator.org.orgId)
})

test('prewarm returns its results, and statuses lists every client', async () => {
  const tokens = pool({ concurrentLogins: 2, loginsPerSecond: 'none' })
  const keys = Array.from({ length: 10 }, (_, number) => `org${number}`)
  for (const key of keys) tokens.insert(key, org())
  tokens.insert('bad', org({ clientSecret: 'wrong' }))
  const warm = await tokens.prewarm(new Set([...keys, 'bad', 'unknown']))
  assert.equal(warm.ready, 10)
  const codes = Object.fromEntries([...warm.failed].map(([key, error]) => [key, error.code]))
  assert.deepEqual(codes, { bad: 'invalid_client_secret', unknown: 'unknown_key' })
  await tokens.waitIdle()
  const statuses = tokens.statuses()
  assert.equal(statuses.size, 12)
  assert.equal(statuses.get('org3').state, 'fresh')
  assert.equal(statuses.get('bad').lastError.code, 'invalid_client_secret')
  assert.equal(tokens.status('acme').state, 'empty')
  await assert.rejects(tokens.prewarm('acme'), TypeError)
})

test('a full pool forgets, in the core and here', async () => {
  const tokens = new ClientPool(shared({ maxClients: 2, credentialsCallback: () => org() }))
  for (let number = 0; number < 5; number += 1) await tokens.token(`org${number}`)
  assert.equal(tokens.size, 2)
})

test('a caller can leave, and the login goes on', async () => {
  const tokens = pool()
  await emulator.control('fault', { endpoint: 'token', kind: 'hold' })
  await assert.rejects(tokens.token('acme', { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })
  await emulator.control('release')
  assert.equal((await tokens.token('acme')).orgId, emulator.org.orgId)
})

test('events say whose they are', async () => {
  const events = []
  const messages = []
  const listen = (message) => messages.push(message)
  diagnostics.subscribe(EVENT_CHANNEL, listen)
  const tokens = pool({ onEvent: (event) => events.push(event) })
  await tokens.token('acme')
  while (events.length < 2) await new Promise((resolve) => setImmediate(resolve))
  diagnostics.unsubscribe(EVENT_CHANNEL, listen)
  assert.deepEqual(
    events.map(({ name, key }) => [name, key]),
    [
      ['login_started', 'acme'],
      ['login_succeeded', 'acme'],
    ],
  )
  assert.equal(messages[0].loginHost, emulator.org.myDomain)
  assert.equal('loginHost' in events[0], false)
})

test('wrong options are named', () => {
  for (const [name, value] of [
    ['maxClients', 0],
    ['maxClients', 'many'],
    ['loginsPerSecond', 0],
    ['concurrentLogins', 1.5],
    ['tokenUrl', 'https://x.example/token'],
    ['credentialsCallback', 7],
    ['clock', {}],
  ]) {
    const pattern = new RegExp(name.replace(/[A-Z]/g, (letter) => `[_${letter}]+${letter.toLowerCase()}?`))
    assert.throws(() => new ClientPool({ [name]: value }), pattern, name)
  }
})

test('time can be moved', async () => {
  const clock = new TestClock()
  const tokens = pool({ clock, sessionTimeout: 7_200_000 })
  await tokens.token('acme')
  clock.advance(7_100_000)
  assert.equal(tokens.status('acme').state, 'refresh_due')
})
