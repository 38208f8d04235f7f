// client.fetch: the platform's fetch with a token that renews itself.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Client } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'
import * as undici from 'undici'
import { callsThrough, JOBS, LIMITS } from './support/calls.mjs'
import { agentFor, fetchBy } from './support/network.mjs'

callsThrough('fetch', {
  open: (client) => ({
    async call({ path, ...init }) {
      if (init.body instanceof ReadableStream) init.duplex = 'half'
      const response = await client.fetch(path, init)
      const text = await response.text()
      return { status: response.status, data: /^[[{]/.test(text) ? JSON.parse(text) : text }
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
    const response = await client.fetch(LIMITS, { method, body })
    assert.equal(response.redirected, true)
    const last = (await sent('query')).at(-1)
    assert.deepEqual([last.method, last.body_bytes, response.status], [becomes, bytes, 200])
    assert.equal(last.headers['content-type'] === undefined, bytes === 0)
  }
})

test('redirect: manual and error mean what they mean in the standard', async () => {
  const location = '/services/data/v67.0/query'
  await redirectOnce(302, location)
  const response = await client.fetch(LIMITS, { redirect: 'manual' })
  assert.deepEqual([response.status, response.headers.get('location')], [302, location])
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
  const response = await client.fetch(LIMITS, { headers })
  assert.equal(response.status, 401)
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

test('the response of a call is complete after its beginning was read', async () => {
  const body = `[${'"x",'.repeat(100_000)}0]`
  const refused = { status: 400, body, content_type: 'application/json' }
  await emulator.control('fault', { endpoint: 'limits', kind: 'status', ...refused })
  const response = await client.fetch(LIMITS)
  assert.equal(await response.text(), body)
  await emulator.control('clear_faults')
  assert.equal((await client.fetch(LIMITS)).status, 200)
})

test('where a token may go is asked of the core', async () => {
  const token = await client.token()
  assert.equal(client.isAllowedFor(token, `${token.instanceUrl}/x`), true)
  assert.equal(client.isAllowedFor(token, new URL('https://evil.example/')), false)
  assert.equal(client.isAllowedFor(token, token.instanceUrl.replace('https:', 'http:')), false)
  const trusting = new Client(emulator.clientOptions({ trustedHosts: ['.evil.example'] }))
  assert.equal(trusting.isAllowedFor(token, 'https://x.evil.example/'), true)
})

test('the option fetch must be a function', () => {
  assert.throws(() => new Client(emulator.clientOptions({ fetch: 'undici' })), { code: 'invalid_option' })
})

test("what the platform's fetch does with a fixed header, this does too", async () => {
  // Of the same implementation as `fetch`, which accepts no other.
  const { FormData, Headers, Request } = undici
  const { instanceUrl, authorization } = await client.token()
  const limits = instanceUrl + LIMITS
  const jobs = instanceUrl + JOBS
  const form = () => {
    const made = new FormData()
    made.set('one', new Blob(['text']), 'one.txt')
    return made
  }
  const stream = () => new Blob(['streamed']).stream()
  const used = async () => {
    const request = new Request(jobs, { method: 'POST', body: 'x' })
    await request.text()
    return [request]
  }
  const aborted = AbortSignal.abort(new Error('changed my mind'))
  const upload = { method: 'POST', duplex: 'half' }
  // Each with where redirects lead, if there are any.
  const cases = {
    'a string': [() => [limits]],
    'a URL and its parameters': [() => [new URL(`${limits}?x=1&y=%20#there`)]],
    'a Request': [() => [new Request(limits, { headers: { 'x-kept': 'yes' } })]],
    'a Request with a body': [() => [new Request(jobs, { method: 'POST', body: '{}' })]],
    'a Request with a stream': [() => [new Request(jobs, { ...upload, body: stream() })]],
    'a Request with a form': [() => [new Request(jobs, { method: 'POST', body: form() })]],
    'a Request whose body was read': [used],
    'a Request, and what overrides it': [
      () => [new Request(jobs, { method: 'PUT', body: 'old' }), { method: 'POST', body: 'newer' }],
    ],
    'a Request, and other headers': [
      () => [new Request(limits, { headers: { 'x-kept': 'no' } }), { headers: [['X-Kept', 'one']] }],
    ],
    'a Request that is aborted': [() => [new Request(limits, { signal: aborted })]],
    'a signal that is aborted': [() => [limits, { signal: aborted }]],
    'no signal in place of one': [() => [new Request(limits, { signal: aborted }), { signal: null }]],
    'a header twice': [() => [limits, { headers: new Headers([...'ab'].map((one) => ['x-kept', one])) }]],
    'a stream': [() => [jobs, { ...upload, body: stream() }]],
    'a stream without duplex': [() => [jobs, { method: 'POST', body: stream() }]],
    'a form': [() => [jobs, { method: 'POST', body: form() }]],
    'a body with GET': [() => [limits, { body: 'x' }]],
    'a method in small letters': [() => [jobs, { method: 'post', body: '{}' }]],
    'a method that is none': [() => [limits, { method: 'a b' }]],
    'an invalid header': [() => [limits, { headers: { 'x-kept': 'a\nb' } }]],
    'a mode of redirects that is none': [() => [limits, { redirect: 'perhaps' }]],
    'no redirect, mode error': [() => [limits, { redirect: 'error' }]],
    HEAD: [() => [limits, { method: 'HEAD' }]],
    followed: [() => [limits], 302],
    'followed by a Request': [() => [new Request(limits)], 307],
    'followed with a fragment': [() => [`${limits}#there`], 301],
    'followed by HEAD': [() => [limits, { method: 'HEAD' }], 303],
    'followed by POST as GET': [() => [limits, { method: 'POST', body: 'x' }], 303],
    'followed by POST': [() => [limits, { method: 'POST', body: 'text' }], 308],
    'followed by PUT': [() => [limits, { method: 'PUT', body: 'text' }], 302],
    'followed with a form': [() => [limits, { method: 'POST', body: form() }], 307],
    'followed with a stream': [() => [limits, { ...upload, body: stream() }], 307],
    'followed with a stream that is dropped': [() => [limits, { ...upload, body: stream() }], 303],
    'not followed': [() => [limits, { redirect: 'manual' }], 302],
    'not followed by a Request': [() => [new Request(limits, { redirect: 'manual' })], 307],
    refused: [() => [limits, { redirect: 'error' }], 302],
    'refused by a Request': [() => [new Request(limits, { redirect: 'error' })], 302],
  }
  const bare = fetchBy(agent)
  const withHeader = (input, init) => {
    const request = input instanceof Request && init?.headers === undefined ? input : undefined
    const headers = new Headers(request?.headers ?? init?.headers)
    headers.set('authorization', authorization)
    return bare(input, { ...init, headers })
  }
  const seen = []
  for (const [name, [make, status]] of Object.entries(cases)) {
    const [ours, theirs] = [
      await outcome((...given) => client.fetch(...given), make, status),
      await outcome(withHeader, make, status),
    ]
    assert.deepEqual(ours, theirs, name)
    seen.push(ours.requests.length)
  }
  assert.ok(seen.includes(0) && seen.includes(1) && seen.includes(2), String(seen))
  assert.equal(await logins(), 1)
})

/** The result of a call, and the requests that the emulator received. */
async function outcome(send, make, status) {
  await emulator.control('clear_faults')
  if (status !== undefined) await redirectOnce(status, '/services/data/v67.0/query?q=SELECT+Id+FROM+Account')
  const before = (await emulator.control('requests')).requests.length
  let result
  try {
    const response = await send(...(await make()))
    const { status, redirected, url, type, ok } = response
    const { length } = await response.text()
    result = { status, redirected, url, type, ok, length, location: response.headers.get('location') }
  } catch (error) {
    result = { error: error.name, message: error.name === 'TypeError' ? undefined : error.message }
  }
  const requests = (await emulator.control('requests')).requests.slice(before)
  return { result, requests: requests.map(visible) }
}

/** Boundaries of forms differ each time; a Request's body goes out in chunks here, because its length is not known. */
function visible({ method, path, query, body_bytes, answered, headers }) {
  const { 'content-length': _, 'transfer-encoding': __, ...others } = headers
  const type = headers['content-type']?.replace(/boundary=.*/, 'boundary')
  return { method, path, query, body_bytes, answered, headers: { ...others, 'content-type': type } }
}
