// client.fetch: the platform's fetch with a token that renews itself.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Client } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'
import { callsThrough, JOBS, LIMITS } from './support/calls.mjs'
import { agentFor, fetchBy } from './support/network.mjs'

callsThrough('fetch', {
  open: (client) => ({
    async call({ path, ...init }) {
      if (init.body instanceof ReadableStream) init.duplex = 'half'
      const answer = await client.fetch(path, init)
      const text = await answer.text()
      return { status: answer.status, data: /^[[{]/.test(text) ? JSON.parse(text) : text }
    },
  }),
  stream: (text) => new Blob([text]).stream(),
  // undici's `fetch` takes its listener away when the request is collected.
  leavesListeners: 1,
  isCancelled: (error) => assert.equal(error.name, 'AbortError'),
})

let emulator
let agent
let client

before(async () => {
  emulator = await startEmulator()
  agent = agentFor(emulator)
})
beforeEach(async () => {
  await emulator.control('reset')
  client = new Client(emulator.clientOptions({ fetch: fetchBy(agent) }))
})
after(async () => {
  await agent?.close()
  await emulator?.close()
})

const logins = async () => (await emulator.control('counters')).token_requests
const sent = async (endpoint) => (await emulator.control('requests', { endpoint })).requests
const redirectOnce = (status, location, endpoint = 'limits') =>
  emulator.control('fault', { endpoint, kind: 'redirect', status, location, first: 1 })

test('every body that can be sent twice is', async () => {
  const text = '{"object":"Account"}'
  const form = new FormData()
  form.set('one', new Blob([text]), 'one.json')
  const bodies = [
    text,
    Buffer.from(text),
    new TextEncoder().encode(text).buffer,
    new Blob([text]),
    new URLSearchParams({ text }),
    form,
  ]
  const native = new Client(emulator.clientOptions({ fetch: fetchBy(agent) }))
  for (const body of bodies) {
    await native.token()
    await emulator.control('kill_sessions')
    const before = (await sent('bulk')).length
    assert.equal((await native.fetch(JOBS, { method: 'POST', body })).status, 200, body.constructor.name)
    const [one, two] = (await sent('bulk')).slice(before)
    assert.ok(one.body_bytes > 0)
    assert.equal(one.body_bytes, two.body_bytes, body.constructor.name)
  }
  assert.equal(await logins(), 7)
})

test('a generator is no such body', async () => {
  await client.token()
  await emulator.control('kill_sessions')
  async function* body() {
    yield Buffer.from('{}')
  }
  await assert.rejects(client.fetch(JOBS, { method: 'POST', body: body(), duplex: 'half' }), {
    code: 'request_not_replayable',
  })
})

test('a redirect within the instance keeps the token, and its method as the standard has it', async () => {
  const cases = [
    [307, 'POST', 'POST', 4],
    [303, 'POST', 'GET', 0],
    [302, 'POST', 'GET', 0],
    [301, 'GET', 'GET', 0],
  ]
  for (const [status, method, becomes, bytes] of cases) {
    await redirectOnce(status, '/services/data/v67.0/query?q=SELECT+Id+FROM+Account')
    const body = method === 'POST' ? 'text' : undefined
    const answer = await client.fetch(LIMITS, { method, body })
    assert.equal(answer.redirected, true)
    const last = (await sent('query')).at(-1)
    assert.deepEqual([last.method, last.body_bytes, answer.status], [becomes, bytes, 200])
    assert.equal(last.headers['content-type'] === undefined, bytes === 0)
  }
})

test('redirect: manual and error mean what they mean in the standard', async () => {
  const location = '/services/data/v67.0/query'
  await redirectOnce(302, location)
  const answer = await client.fetch(LIMITS, { redirect: 'manual' })
  assert.deepEqual([answer.status, answer.headers.get('location')], [302, location])
  await redirectOnce(302, location)
  await assert.rejects(client.fetch(LIMITS, { redirect: 'error' }), TypeError)
  assert.equal((await sent('query')).length, 0)
})

test('redirects in a circle end', async () => {
  await emulator.control('fault', { endpoint: 'limits', kind: 'redirect', status: 302, location: LIMITS })
  await assert.rejects(client.fetch(LIMITS), (error) => error.cause.message === 'too many redirects')
  assert.equal((await sent('limits')).length, 21)
})

test('a redirect to another origin takes the cookie away too, and to http never the token', async () => {
  const foreign = 'https://acme--uat.sandbox.my.salesforce.com/services/data/v67.0/query'
  await redirectOnce(307, foreign)
  await client.fetch(LIMITS, { headers: { cookie: 'a=b', 'x-kept': 'yes' } })
  const [{ headers }] = await sent('query')
  assert.deepEqual([headers.cookie, headers.authorization, headers['x-kept']], [undefined, undefined, 'yes'])
})

test("a caller's own Authorization header is sent as it is, and nothing is renewed", async () => {
  const headers = { authorization: 'Bearer mine' }
  assert.equal((await client.fetch(emulator.org.instanceUrl + LIMITS, { headers })).status, 401)
  assert.equal(await logins(), 0)
  const answer = await client.fetch(LIMITS, { headers })
  assert.equal(answer.status, 401)
  assert.equal((await sent('limits'))[0].headers.authorization, 'Bearer mine')
  assert.equal(await logins(), 1)
})

test('a Request will do, and an URL', async () => {
  const { instanceUrl } = await client.token()
  const url = new URL(LIMITS, instanceUrl)
  assert.equal((await client.fetch(url)).status, 200)
  const request = new Request(url, { headers: { 'x-kept': 'yes' } })
  assert.equal((await client.fetch(request)).status, 200)
  assert.equal((await sent('limits'))[1].headers['x-kept'], 'yes')
})

test('a path that leads to another host is refused before anything is sent', async () => {
  for (const path of ['//evil.example/x', '\\\\evil.example\\x', '/\\evil.example/x']) {
    await assert.rejects(client.fetch(path), { name: 'ConfigurationError', code: 'invalid_option' })
  }
  assert.equal((await emulator.control('requests')).requests.length, 1)
})

test('the answer of a call is whole after its beginning was looked at', async () => {
  const body = `[${'"x",'.repeat(100_000)}0]`
  const refused = { status: 400, body, content_type: 'application/json' }
  await emulator.control('fault', { endpoint: 'limits', kind: 'status', ...refused })
  const answer = await client.fetch(LIMITS)
  assert.equal(await answer.text(), body)
  await emulator.control('clear_faults')
  assert.equal((await client.fetch(LIMITS)).status, 200)
})

test('where a token may go is asked of the core', async () => {
  const token = await client.token()
  assert.equal(client.mayCarry(token, `${token.instanceUrl}/x`), true)
  assert.equal(client.mayCarry(token, new URL('https://evil.example/')), false)
  assert.equal(client.mayCarry(token, token.instanceUrl.replace('https:', 'http:')), false)
  const trusting = new Client(emulator.clientOptions({ trustedHosts: ['.evil.example'] }))
  assert.equal(trusting.mayCarry(token, 'https://x.evil.example/'), true)
})

test('the option fetch must be a function', () => {
  assert.throws(() => new Client(emulator.clientOptions({ fetch: 'undici' })), { code: 'invalid_option' })
})
