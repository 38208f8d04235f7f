// What every way of calling an API has to show, whatever client is beneath.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Client, TokenRejectedError } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'
import { agentFor, fetchBy } from './network.mjs'

export const LIMITS = '/services/data/v67.0/limits'
export const JOBS = '/services/data/v67.0/jobs/ingest'
const FOREIGN = 'https://acme--uat.sandbox.my.salesforce.com'
const DEAD = {
  endpoint: 'limits',
  kind: 'status',
  status: 401,
  body: '[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]',
  content_type: 'application/json',
}

/**
 * `open(client, { emulator, agent })` gives `call({ path, method, body, signal })`, which resolves to
 * `{ status, data }` whatever the status, and `close`. `stream` makes a body that can be read once.
 */
export function callsThrough(name, { open, stream, isCancelled, isNotReplayable }) {
  let emulator
  let agent
  let opened

  before(async () => {
    emulator = await startEmulator()
    agent = agentFor(emulator)
  })
  beforeEach(async () => {
    await opened?.close?.()
    await emulator.control('reset')
  })
  after(async () => {
    await opened?.close?.()
    await agent?.close()
    await emulator?.close()
  })

  function start(options) {
    const client = new Client(emulator.clientOptions({ fetch: fetchBy(agent), ...options }))
    opened = open(client, { emulator, agent })
    return { client, call: opened.call }
  }
  const logins = async () => (await emulator.control('counters')).token_requests
  const sent = async (endpoint) => (await emulator.control('requests', { endpoint })).requests

  test(`${name}: a call carries the token, and the usage is remembered`, async () => {
    const { client, call } = start()
    assert.equal(client.limits(), undefined)
    const { status, data } = await call({ path: LIMITS })
    assert.equal(status, 200)
    assert.equal(data.DailyApiRequests.Max, 15_000)
    assert.deepEqual(client.limits(), { used: 1, limit: 15_000 })
    const [request] = await sent('limits')
    assert.equal(request.headers.authorization, (await client.token()).authorization)
    assert.equal(await logins(), 1)
  })

  test(`${name}: a dead session is renewed once, and the call repeated with its body`, async () => {
    const { client, call } = start()
    await client.token()
    await emulator.control('kill_sessions')
    const body = JSON.stringify({ object: 'Account', operation: 'insert' })
    const { status } = await call({ path: JOBS, method: 'POST', body })
    assert.equal(status, 200)
    const requests = await sent('bulk')
    assert.deepEqual(
      requests.map(({ answered, body_bytes }) => [answered, body_bytes]),
      [
        [401, body.length],
        [200, body.length],
      ],
    )
    assert.equal(await logins(), 2)
  })

  test(`${name}: a hundred calls that meet a dead session cause one login`, async () => {
    const { client, call } = start()
    await client.token()
    await emulator.control('kill_sessions')
    const answers = await Promise.all(Array.from({ length: 100 }, () => call({ path: LIMITS })))
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
    assert.equal(await logins(), 2)
  })

  test(`${name}: when the instance moved, the repeated call goes to the new one`, async () => {
    const moved = 'https://acme-one.my.salesforce.com'
    for (const path of [LIMITS, `${emulator.org.instanceUrl}${LIMITS}?x=1`]) {
      await emulator.control('reset')
      await opened?.close?.()
      const { client, call } = start()
      assert.equal((await client.token()).instanceUrl, emulator.org.instanceUrl)
      await emulator.control('move_instance', { instance_url: moved })
      await emulator.control('kill_sessions')
      assert.equal((await call({ path })).status, 200)
      assert.equal((await client.token()).instanceUrl, moved)
      const requests = await sent('limits')
      assert.equal(requests.at(-1).host, new URL(moved).host)
      assert.equal(requests.at(-1).query, path === LIMITS ? '' : 'x=1')
      assert.equal(await logins(), 2)
    }
  })

  test(`${name}: another origin sees no token, by a redirect or asked at once`, async () => {
    const { client, call } = start()
    await emulator.control('fault', {
      endpoint: 'limits',
      kind: 'redirect',
      status: 307,
      location: `${FOREIGN}/services/data/v67.0/query`,
      first: 1,
    })
    const followed = await call({ path: LIMITS })
    const direct = await call({ path: `${FOREIGN}/services/data/v67.0/query` })
    // Those that follow no redirects, as undici by itself, hand the redirect out.
    assert.ok([307, 401].includes(followed.status), String(followed.status))
    assert.equal(direct.status, 401)
    const requests = await sent('query')
    assert.ok(requests.length >= 1)
    for (const { headers, host } of requests) {
      assert.equal(host, new URL(FOREIGN).host)
      assert.equal(headers.authorization, undefined)
    }
    assert.equal(await logins(), 1, 'what another origin answers says nothing about the token')
    assert.equal(client.status().state, 'fresh')
  })

  test(`${name}: a body that is gone is not sent again: an error says so`, async () => {
    const { client, call } = start()
    const first = await client.token()
    await emulator.control('kill_sessions')
    const failed = await call({ path: JOBS, method: 'POST', body: stream('{"x":1}') }).catch((error) => error)
    isNotReplayable(failed)
    assert.equal((await sent('bulk')).length, 1)
    // The dead token is gone: the next call has a new one.
    assert.equal((await call({ path: JOBS, method: 'POST', body: stream('{"x":1}') })).status, 200)
    assert.notEqual((await client.token()).accessToken, first.accessToken)
    assert.equal(await logins(), 2)
  })

  test(`${name}: the same token again ends in an error, not in a loop`, async () => {
    const { call } = start()
    await emulator.control('fault', DEAD)
    const failed = await call({ path: LIMITS }).catch((error) => error)
    const error = failed.cause instanceof TokenRejectedError ? failed.cause : failed
    assert.ok(error instanceof TokenRejectedError, String(failed?.stack ?? failed))
    assert.equal(error.code, 'same_token_returned')
    assert.equal((await sent('limits')).length, 1)
    assert.equal(await logins(), 2)
  })

  test(`${name}: a fresh token that is refused too ends in the answer`, async () => {
    const { call } = start()
    await emulator.control('configure', { app: { distinct_tokens: true } })
    await emulator.control('fault', DEAD)
    const { status, data } = await call({ path: LIMITS })
    assert.equal(status, 401)
    assert.equal(data[0].errorCode, 'INVALID_SESSION_ID')
    assert.equal((await sent('limits')).length, 2)
    assert.equal(await logins(), 2)
  })

  test(`${name}: what a new token does not cure is handed out at once`, async () => {
    const { client, call } = start()
    for (const fault of [
      { ...DEAD, body: 'This session is not valid for use with the REST API' },
      { ...DEAD, status: 403, body: '[{"errorCode":"API_DISABLED_FOR_ORG"}]' },
      { ...DEAD, status: 500, body: 'an error of the service' },
    ]) {
      await emulator.control('clear_faults')
      await emulator.control('fault', { ...fault, content_type: 'text/plain' })
      const { status, data } = await call({ path: LIMITS })
      assert.equal(status, fault.status)
      assert.equal(typeof data === 'string' ? data : JSON.stringify(data), fault.body, 'the body is whole')
    }
    assert.equal((await sent('limits')).length, 3)
    assert.equal(await logins(), 1)
    assert.equal(client.status().state, 'fresh')
  })

  test(`${name}: a body that comes late is judged whole`, async () => {
    const { call } = start()
    await emulator.control('fault', { ...DEAD, body: `[${' '.repeat(9000)}]`, first: 1 })
    await emulator.control('fault', { endpoint: 'limits', kind: 'slow_body', ms: 20, first: 1 })
    await emulator.control('configure', { app: { distinct_tokens: true } })
    assert.equal((await call({ path: LIMITS })).status, 200)
    assert.equal(await logins(), 2)
  })

  test(`${name}: a cancelled call ends, and takes nothing with it`, async () => {
    const { client, call } = start()
    await client.token()
    await emulator.control('fault', { endpoint: 'limits', kind: 'hold', first: 1 })
    const controller = new AbortController()
    const held = call({ path: LIMITS, signal: controller.signal }).catch((error) => error)
    await emulator.control('wait_requests', { endpoint: 'limits', count: 1 })
    controller.abort()
    isCancelled(await held)
    await emulator.control('release')
    assert.equal((await call({ path: LIMITS })).status, 200)
    assert.equal(await logins(), 1)
  })

  test(`${name}: a call that is cancelled while it waits for the token leaves the login to others`, async () => {
    const { client, call } = start()
    await emulator.control('fault', { endpoint: 'token', kind: 'hold', first: 1 })
    const controller = new AbortController()
    const held = call({ path: LIMITS, signal: controller.signal }).catch((error) => error)
    const other = client.token()
    await emulator.control('wait_requests', { endpoint: 'token', count: 1 })
    controller.abort()
    isCancelled(await held)
    await emulator.control('release')
    assert.equal((await other).orgId, emulator.org.orgId)
    assert.equal((await sent('limits')).length, 0)
    assert.equal(await logins(), 1)
  })
}
