// forcegrant/undici: an interceptor whose token renews itself.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, beforeEach, test } from 'node:test'
import { Client, ReplayError } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'
import { forcegrant } from 'forcegrant/undici'
import { interceptors } from 'undici'
import { callsThrough, JOBS, LIMITS } from './support/calls.mjs'
import { agentFor } from './support/network.mjs'

async function request(dispatcher, { path, method = 'GET', body, signal, headers }) {
  const url = path.startsWith('/') ? undefined : new URL(path)
  const where = url ? { origin: url.origin, path: url.pathname + url.search } : { path }
  const { statusCode, body: answer } = await dispatcher.request({ ...where, method, body, signal, headers })
  const text = await answer.text()
  return { status: statusCode, data: /^[[{]/.test(text) ? JSON.parse(text) : text }
}

const shared = {
  stream: (text) => Readable.from([text]),
  isCancelled: (error) => assert.equal(error.name, 'AbortError'),
  isNotReplayable: (error) => assert.ok(error instanceof ReplayError, String(error)),
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

test("undici: a caller's own Authorization header is sent as it is", async () => {
  const { status } = await request(dispatcher, { path: LIMITS, headers: { Authorization: 'Bearer mine' } })
  assert.equal(status, 401)
  assert.equal((await emulator.control('counters')).token_requests, 1)
})

test('undici: a generator is sent once', async () => {
  await client.token()
  await emulator.control('kill_sessions')
  function* body() {
    yield '{}'
  }
  await assert.rejects(request(dispatcher, { path: JOBS, method: 'POST', body: body() }), ReplayError)
})

test('undici: a 403 is never repeated, although it tells of a dead session', async () => {
  await client.token()
  await emulator.control('kill_sessions')
  const answer = await request(dispatcher, { path: '/services/oauth2/userinfo' })
  assert.deepEqual(answer, { status: 403, data: 'Bad_OAuth_Token' })
  assert.equal(client.cached(), undefined)
})

test('undici: a long answer is whole after its beginning was looked at', async () => {
  const body = `[${'"x",'.repeat(100_000)}0]`
  await emulator.control('fault', { endpoint: 'limits', kind: 'status', status: 400, body, first: 1 })
  const { status, data } = await request(dispatcher, { path: LIMITS })
  assert.deepEqual([status, data.length], [400, 100_001])
})

test('undici: a connection that is lost is an error, and no verdict', async () => {
  await emulator.control('fault', { endpoint: 'limits', kind: 'reset' })
  await assert.rejects(request(dispatcher, { path: LIMITS }), (error) => !(error instanceof ReplayError))
  assert.equal(client.status().state, 'fresh')
})
