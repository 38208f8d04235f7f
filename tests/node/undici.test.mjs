// forcegrant/undici: an interceptor whose token renews itself.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, beforeEach, test } from 'node:test'
import { Client, ReplayError } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'
import { forcegrant } from 'forcegrant/undici'
import { fetch, interceptors } from 'undici'
import { callsThrough, JOBS, LIMITS } from './support/calls.mjs'
import { agentFor } from './support/network.mjs'

async function request(dispatcher, { path, method = 'GET', body, signal, headers }) {
  const url = path.startsWith('/') ? undefined : new URL(path)
  const where = url ? { origin: url.origin, path: url.pathname + url.search } : { path }
  const { statusCode, body: response } = await dispatcher.request({ ...where, method, body, signal, headers })
  const text = await response.text()
  return { status: statusCode, data: /^[[{]/.test(text) ? JSON.parse(text) : text }
}

const shared = {
  stream: (text) => Readable.from([text]),
  isCancelled: (error) => assert.equal(error.name, 'AbortError'),
}
callsThrough('undici', {
  ...shared,
  open: (client, { agent }) => {
    const dispatcher = agent.compose(forcegrant(client))
    return { call: (wanted) => request(dispatcher, wanted) }
  },
})
callsThrough('undici, following redirects', {
  ...shared,
  open: (client, { agent }) => {
    const dispatcher = agent.compose(forcegrant(client), interceptors.redirect({ maxRedirections: 5 }))
    return { call: (wanted) => request(dispatcher, wanted) }
  },
})

callsThrough('undici, over an interceptor of the present form', {
  ...shared,
  open: (client, { agent }) => {
    const dispatcher = agent.compose((dispatch) => (options, handler) => dispatch(options, handler))
    return { call: (wanted) => request(dispatcher.compose(forcegrant(client)), wanted) }
  },
})

let emulator
let agent
let client
let dispatcher

before(async () => {
  emulator = await startEmulator()
  agent = agentFor(emulator)
})
beforeEach(async () => {
  await emulator.control('reset')
  client = new Client(emulator.clientOptions())
  dispatcher = agent.compose(forcegrant(client))
})
after(async () => {
  await agent?.close()
  await emulator?.close()
})

test('undici: headers in every form go along', async () => {
  const forms = [{ 'x-one': '1' }, ['x-one', '1'], new Map([['x-one', '1']]), new Headers({ 'x-one': '1' })]
  for (const headers of forms) {
    assert.equal((await request(dispatcher, { path: LIMITS, headers })).status, 200)
    const last = (await emulator.control('requests', { endpoint: 'limits' })).requests.at(-1)
    assert.equal(last.headers['x-one'], '1')
  }
})

test("undici: a header of the caller's own, in every form, is sent as it is", async () => {
  const name = 'AUTHORIZATION'
  const forms = [
    { [name]: 'mine' },
    [name, 'mine'],
    new Map([[name, 'mine']]),
    new Headers({ [name]: 'mine' }),
  ]
  for (const headers of forms) {
    assert.equal((await request(dispatcher, { path: LIMITS, headers })).status, 401)
    const last = (await emulator.control('requests', { endpoint: 'limits' })).requests.at(-1)
    assert.equal(last.headers.authorization, 'mine')
  }
})

test("undici: beneath undici's own fetch, with a slow reader of a long response", async () => {
  const { instanceUrl } = await client.token()
  await emulator.control('kill_sessions')
  const body = `[${'"x",'.repeat(1_000_000)}0]`
  const fault = { endpoint: 'limits', kind: 'status', status: 400, body, content_type: 'application/json' }
  assert.equal((await fetch(instanceUrl + LIMITS, { dispatcher })).status, 200)
  await emulator.control('fault', fault)
  const response = await fetch(instanceUrl + LIMITS, { dispatcher })
  let length = 0
  for await (const chunk of response.body) {
    length += chunk.length
    await new Promise(setImmediate)
  }
  assert.deepEqual([response.status, length], [400, body.length])
  assert.equal((await emulator.control('counters')).token_requests, 2)
})

test('undici: a generator is sent once', async () => {
  await client.token()
  await emulator.control('kill_sessions')
  function* body() {
    yield '{}'
  }
  await assert.rejects(request(dispatcher, { path: JOBS, method: 'POST', body: body() }), ReplayError)
})
