// One table of cases that every adapter runs completely.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, beforeEach, test } from 'node:test'
import { Client, ReplayError, TokenRejectedError } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'
import { agentFor, fetchBy } from './network.mjs'

export const LIMITS = '/services/data/v67.0/limits'
export const JOBS = '/services/data/v67.0/jobs/ingest'
export const USERINFO = '/services/oauth2/userinfo'
export const FOREIGN = 'https://acme--uat.sandbox.my.salesforce.com'
export const MOVED = 'https://acme-one.my.salesforce.com'
export const DEAD = {
  endpoint: 'limits',
  kind: 'status',
  status: 401,
  body: '[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]',
  content_type: 'application/json',
}

/**
 * Runs the table through one adapter. `open(client, { emulator, agent })` gives `call({ path, method, body, signal })`,
 * which resolves to `{ status, data }` whatever the status, and `close`. `stream` makes a body that can be read once.
 *
 * `leavesListeners` is the number of listeners that the library leaves on a signal for each request.
 *
 * If an adapter needs another form of a case, it is in `own`; cases that its library cannot have are in `lacks`, with
 * the reason.
 */
export function callsThrough(name, adapter) {
  const { own = {}, lacks = {} } = adapter
  const world = new World(adapter)
  before(() => world.start())
  beforeEach(() => world.reset())
  after(() => world.end())

  for (const id of [...Object.keys(own), ...Object.keys(lacks)]) {
    assert.ok(Object.hasOwn(CASES, id), `${name}: the table has no case "${id}"`)
  }
  for (const [id, shared] of Object.entries(CASES)) {
    if (!Object.hasOwn(lacks, id)) test(`${name}: ${id}`, () => (own[id] ?? shared)(world))
  }
}

/** An emulator with the helpers of the cases. */
class World {
  constructor(adapter) {
    this.adapter = adapter
  }

  async start() {
    this.emulator = await startEmulator()
    this.agent = agentFor(this.emulator)
    await this.adapter.before?.(this)
  }

  async reset() {
    await this.opened?.close?.()
    this.opened = undefined
    await this.emulator.control('reset')
    await this.adapter.reset?.(this)
  }

  async end() {
    await this.opened?.close?.()
    await this.adapter.after?.(this)
    await this.agent?.close()
    await this.emulator?.close()
  }

  /** A client, and a function that calls through it. */
  async open(options) {
    await this.opened?.close?.()
    const client = new Client(this.emulator.clientOptions({ fetch: fetchBy(this.agent), ...options }))
    this.opened = await this.adapter.open(client, this)
    return { client, call: this.opened.call }
  }

  control(op, fields) {
    return this.emulator.control(op, fields)
  }

  async logins() {
    return (await this.control('counters')).token_requests
  }

  async sent(endpoint) {
    return (await this.control('requests', { endpoint })).requests
  }

  fault(fields) {
    return this.control('fault', { endpoint: 'limits', ...fields })
  }
}

const post = (body) => ({ path: JOBS, method: 'POST', body })

export const CASES = {
  async 'a call carries the token, and the usage is remembered'(world) {
    const { client, call } = await world.open()
    assert.equal(client.limits(), undefined)
    const { status, data } = await call({ path: LIMITS })
    assert.equal(status, 200)
    assert.equal(data.DailyApiRequests.Max, 15_000)
    assert.deepEqual(client.limits(), { used: 1, limit: 15_000 })
    const [request] = await world.sent('limits')
    assert.equal(request.headers.authorization, (await client.token()).authorization)
    assert.equal(await world.logins(), 1)
  },

  async 'a dead session is renewed once, and the call repeated with its body'(world) {
    const { client, call } = await world.open()
    await client.token()
    await world.control('kill_sessions')
    const body = JSON.stringify({ object: 'Account', operation: 'insert' })
    const { status } = await call(post(body))
    assert.equal(status, 200)
    const requests = await world.sent('bulk')
    assert.deepEqual(
      requests.map(({ answered, body_bytes }) => [answered, body_bytes]),
      [
        [401, body.length],
        [200, body.length],
      ],
    )
    assert.equal(await world.logins(), 2)
  },

  async 'a hundred calls that meet a dead session cause one login'(world) {
    const { client, call } = await world.open()
    await client.token()
    await world.control('kill_sessions')
    const responses = await Promise.all(Array.from({ length: 100 }, () => call({ path: LIMITS })))
    assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200])
    assert.equal(await world.logins(), 2)
  },

  async 'when the instance moved, the repeated call goes to the new one'(world) {
    for (const path of [LIMITS, `${world.emulator.org.instanceUrl}${LIMITS}?x=1`]) {
      await world.control('reset')
      const { client, call } = await world.open()
      assert.equal((await client.token()).instanceUrl, world.emulator.org.instanceUrl)
      await world.control('move_instance', { instance_url: MOVED })
      await world.control('kill_sessions')
      assert.equal((await call({ path })).status, 200)
      assert.equal((await client.token()).instanceUrl, MOVED)
      const requests = await world.sent('limits')
      assert.equal(requests.at(-1).host, new URL(MOVED).host)
      assert.equal(requests.at(-1).query, path === LIMITS ? '' : 'x=1')
      assert.equal(await world.logins(), 2)
    }
  },

  async 'another origin sees no token, by a redirect or asked at once'(world) {
    const { client, call } = await world.open()
    const location = `${FOREIGN}/services/data/v67.0/query`
    await world.fault({ kind: 'redirect', status: 307, location, first: 1 })
    const followed = await call({ path: LIMITS })
    const direct = await call({ path: location })
    // Libraries that follow no redirects, such as undici, return the redirect.
    assert.ok([307, 401].includes(followed.status), String(followed.status))
    assert.equal(direct.status, 401)
    const requests = await world.sent('query')
    assert.ok(requests.length >= 1)
    for (const { headers, host } of requests) {
      assert.equal(host, new URL(FOREIGN).host)
      assert.equal(headers.authorization, undefined)
    }
    assert.equal(await world.logins(), 1, 'the response of another origin says nothing about the token')
    assert.equal(client.status().state, 'fresh')
  },

  async 'a body that is gone is not sent again: an error says so'(world) {
    const { client, call } = await world.open()
    const { stream } = world.adapter
    const first = await client.token()
    await world.control('kill_sessions')
    const failed = await call(post(stream('{"x":1}'))).catch((error) => error)
    assert.ok(failed instanceof ReplayError && failed instanceof TokenRejectedError, String(failed))
    assert.equal(failed.name, 'ReplayError')
    assert.deepEqual(
      [failed.code, failed.kind, failed.retryable, failed.httpStatus],
      ['request_not_replayable', 'token', true, 401],
    )
    assert.match(failed.help, /new body/)
    assert.equal((await world.sent('bulk')).length, 1)
    // The dead token is gone: the next call has a new one.
    assert.equal((await call(post(stream('{"x":1}')))).status, 200)
    assert.notEqual((await client.token()).accessToken, first.accessToken)
    assert.equal(await world.logins(), 2)
  },

  async 'the same token again ends in an error, not in a loop'(world) {
    const { client, call } = await world.open()
    await world.fault(DEAD)
    const failed = await call({ path: LIMITS }).catch((error) => error)
    if (!world.adapter.tellsLoginsInItsOwnWords) {
      const error = failed.cause instanceof TokenRejectedError ? failed.cause : failed
      assert.ok(error instanceof TokenRejectedError, String(failed?.stack ?? failed))
      assert.equal(error.code, 'same_token_returned')
    }
    assert.match(failed.message, /very token that was reported as rejected/)
    assert.notEqual(client.cached(), undefined, 'the session lives: other calls go on')
    assert.equal((await world.sent('limits')).length, 1)
    assert.equal(await world.logins(), 2)
  },

  async 'a fresh token that is refused too ends in an error, not in a loop'(world) {
    const { client, call } = await world.open()
    await world.control('configure', { app: { distinct_tokens: true } })
    await world.fault(DEAD)
    const failed = await call({ path: LIMITS }).catch((error) => error)
    const error = failed.cause instanceof TokenRejectedError ? failed.cause : failed
    assert.ok(error instanceof TokenRejectedError, String(failed?.stack ?? failed))
    assert.deepEqual([error.code, error.httpStatus], ['fresh_token_refused', 401])
    assert.equal((await world.sent('limits')).length, 2)
    assert.equal(await world.logins(), 2)
    // Only this API may have refused it: the next call finds out.
    assert.equal(client.status().state, 'fresh')
    await world.control('clear_faults')
    assert.equal((await call({ path: LIMITS })).status, 200)
  },

  async 'a hundred calls whose fresh token is refused too end in errors'(world) {
    const { call } = await world.open()
    await world.control('configure', { app: { distinct_tokens: true } })
    await world.fault(DEAD)
    const calls = Array.from({ length: 100 }, () => call({ path: LIMITS }).catch((error) => error))
    for (const error of await Promise.all(calls)) assert.equal(error.code, 'fresh_token_refused')
    assert.equal((await world.sent('limits')).length, 200)
    assert.equal(await world.logins(), 2)
  },

  async 'a 403 is never repeated, although it reports a dead session'(world) {
    const { client, call } = await world.open()
    const first = await client.token()
    await world.control('kill_sessions')
    assert.deepEqual(await call({ path: USERINFO }), { status: 403, data: 'Bad_OAuth_Token' })
    assert.equal((await world.sent('userinfo')).length, 1)
    assert.equal(client.cached(), undefined, 'but the token is dropped')
    assert.equal(await world.logins(), 1)
    assert.equal((await call({ path: USERINFO })).status, 200)
    assert.notEqual((await client.token()).accessToken, first.accessToken)
    assert.equal(await world.logins(), 2)
  },

  async 'what a new token does not cure is handed out at once'(world) {
    const { client, call } = await world.open()
    const { methodThatMeetsErrors: method = 'GET' } = world.adapter
    for (const fault of [
      { ...DEAD, body: 'This session is not valid for use with the REST API' },
      { ...DEAD, body: 'Connected app is not attached to Agent' },
      { ...DEAD, status: 403, body: '[{"errorCode":"API_DISABLED_FOR_ORG"}]' },
      { ...DEAD, status: 500, body: 'an error of the service' },
    ]) {
      await world.control('clear_faults')
      await world.fault({ ...fault, content_type: 'text/plain' })
      const { status, data } = await call({ path: LIMITS, method })
      assert.equal(status, fault.status)
      assert.equal(typeof data === 'string' ? data : JSON.stringify(data), fault.body, 'the body is whole')
    }
    assert.equal((await world.sent('limits')).length, 4)
    assert.equal(await world.logins(), 1)
    assert.equal(client.status().state, 'fresh')
  },

  async 'a long response is complete after its beginning was read'(world) {
    const { call } = await world.open()
    const body = `[${'"x",'.repeat(100_000)}0]`
    await world.fault({ ...DEAD, status: 400, body, first: 1 })
    const { status, data } = await call({ path: LIMITS })
    assert.deepEqual([status, data.length, data.at(-1)], [400, 100_001, 0])
  },

  async 'a slow response is classified after it is complete'(world) {
    const { call } = await world.open()
    await world.fault({ ...DEAD, body: `[${' '.repeat(9000)}]`, first: 1 })
    await world.fault({ kind: 'slow_head', ms: 20, first: 1 })
    await world.fault({ kind: 'slow_body', ms: 20, first: 1 })
    await world.control('configure', { app: { distinct_tokens: true } })
    assert.equal((await call({ path: LIMITS })).status, 200)
    assert.equal(await world.logins(), 2)
  },

  async 'a refusal that breaks off is judged by what came of it'(world) {
    const { client, call } = await world.open()
    await client.token()
    await world.control('kill_sessions')
    await world.fault({ kind: 'cut_body', first: 1 })
    assert.equal((await call({ path: LIMITS })).status, 200)
    assert.deepEqual(
      (await world.sent('limits')).map(({ answered }) => answered),
      ['cut_body', 200],
    )
    assert.equal(await world.logins(), 2)
  },

  async 'a successful response that ends early is an error of its own, without a response class'(world) {
    const { client, call } = await world.open()
    await world.fault({ kind: 'cut_body', first: 1 })
    await assert.rejects(call({ path: LIMITS }), (error) => !(error instanceof TokenRejectedError))
    assert.equal(client.status().state, 'fresh')
    assert.equal(await world.logins(), 1)
  },

  async 'a connection that is lost is an error of its own, and no response class'(world) {
    const { client, call } = await world.open()
    const { methodThatMeetsErrors: method = 'GET' } = world.adapter
    await world.fault({ kind: 'reset' })
    await assert.rejects(call({ path: LIMITS, method }), (error) => !(error instanceof TokenRejectedError))
    assert.equal(client.status().state, 'fresh')
    assert.equal(await world.logins(), 1)
  },

  async 'a cancelled call ends, and takes nothing with it'(world) {
    const { client, call } = await world.open()
    await client.token()
    await world.fault({ kind: 'hold', first: 1 })
    const controller = new AbortController()
    const held = call({ path: LIMITS, signal: controller.signal }).catch((error) => error)
    await world.control('wait_requests', { endpoint: 'limits', count: 1 })
    controller.abort()
    world.adapter.isCancelled(await held)
    await world.control('release')
    assert.equal((await call({ path: LIMITS })).status, 200)
    assert.equal(await world.logins(), 1)
    assert.ok(getEventListeners(controller.signal, 'abort').length <= (world.adapter.leavesListeners ?? 0))
  },

  async 'a call that is cancelled while it waits for the token leaves the login to others'(world) {
    const { client, call } = await world.open()
    await world.fault({ endpoint: 'token', kind: 'hold', first: 1 })
    const controller = new AbortController()
    const held = call({ path: LIMITS, signal: controller.signal }).catch((error) => error)
    const other = client.token()
    await world.control('wait_requests', { endpoint: 'token', count: 1 })
    controller.abort()
    world.adapter.isCancelled(await held)
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
    await world.control('release')
    assert.equal((await other).orgId, world.emulator.org.orgId)
    assert.equal((await world.sent('limits')).length, 0)
    assert.equal(await world.logins(), 1)
  },

  async 'a call that is cancelled while its session is renewed leaves the login to others'(world) {
    const { client, call } = await world.open()
    await client.token()
    await world.control('kill_sessions')
    await world.fault({ endpoint: 'token', kind: 'hold', first: 1 })
    const controller = new AbortController()
    const cancelled = call({ path: LIMITS, signal: controller.signal }).catch((error) => error)
    const others = Array.from({ length: 5 }, () => call({ path: LIMITS }))
    await world.control('wait_requests', { endpoint: 'token', count: 2 })
    await world.control('wait_requests', { endpoint: 'limits', count: 6 })
    controller.abort()
    world.adapter.isCancelled(await cancelled)
    await world.control('release')
    for (const { status } of await Promise.all(others)) assert.equal(status, 200)
    assert.equal((await world.sent('limits')).length, 11, 'the cancelled one is not repeated')
    assert.equal(await world.logins(), 2)
  },

  async 'a call that is served leaves no listener behind'(world) {
    const { client, call } = await world.open()
    const { signal } = new AbortController()
    assert.equal((await call({ path: LIMITS, signal })).status, 200)
    await world.control('kill_sessions')
    assert.equal((await call({ path: LIMITS, signal })).status, 200)
    assert.equal(await world.logins(), 2)
    assert.equal(client.status().state, 'fresh')
    const { length: sent } = await world.sent('limits')
    const { leavesListeners: bare = 0 } = world.adapter
    assert.ok(getEventListeners(signal, 'abort').length <= bare * sent)
  },

  async 'a busy service is not asked again, without the option'(world) {
    const { call } = await world.open()
    await world.fault({ kind: '503_html' })
    const { methodThatMeetsErrors: method = 'GET' } = world.adapter
    assert.equal((await call({ path: LIMITS, method })).status, 503)
    assert.equal((await world.sent('limits')).length, 1)
  },

  async 'a busy service is asked again, as often as the option says'(world) {
    const { call } = await world.open({ callAttempts: 3, callBackoff: [1, 2] })
    await world.fault({ kind: '503_html', first: 1 })
    await world.fault({ kind: '429', first: 1 })
    assert.equal((await call({ path: LIMITS })).status, 200)
    await world.control('clear_faults')
    await world.fault({ kind: '503_html' })
    const { status, data } = await call({ path: LIMITS })
    assert.equal(status, 503)
    assert.match(data, /<html/i, 'the body is whole')
    assert.deepEqual(
      (await world.sent('limits')).map(({ answered }) => answered),
      ['503_html', '429', 200, '503_html', '503_html', '503_html'],
    )
    assert.equal(await world.logins(), 1)
  },

  async 'only what may be repeated by its method and its body is'(world) {
    const { call } = await world.open({ callAttempts: 3, callBackoff: [1, 2] })
    await world.fault({ endpoint: 'bulk', kind: '503_html' })
    const { stream } = world.adapter
    for (const [method, body, times] of [
      ['POST', '{}', 1],
      ['PATCH', '{}', 1],
      ['PUT', '{}', 3],
      ['PUT', stream('{}'), 1],
      ['DELETE', undefined, 3],
    ]) {
      const before = (await world.sent('bulk')).length
      assert.equal((await call({ path: JOBS, method, body })).status, 503)
      assert.equal((await world.sent('bulk')).length - before, times, `${method} ${body}`)
    }
  },

  async 'Retry-After is waited for, up to its cap'(world) {
    const { call } = await world.open({ callAttempts: 2, callBackoff: [0, 0], callRetryAfterCap: 1000 })
    await world.fault({ kind: '429_retry_after', seconds: 1, first: 1 })
    const started = performance.now()
    assert.equal((await call({ path: LIMITS })).status, 200)
    assert.ok(performance.now() - started >= 990)
    await world.fault({ kind: '429_retry_after', seconds: 2, first: 1 })
    assert.equal((await call({ path: LIMITS })).status, 429)
    assert.equal((await world.sent('limits')).length, 3)
  },

  async 'a call that waits for a busy service can be renewed too'(world) {
    const { client, call } = await world.open({ callAttempts: 2, callBackoff: [1, 1] })
    await client.token()
    await world.control('kill_sessions')
    await world.fault({ kind: '503_html', first: 1 })
    assert.equal((await call({ path: LIMITS })).status, 200)
    assert.deepEqual(
      (await world.sent('limits')).map(({ answered }) => answered),
      ['503_html', 401, 200],
    )
    assert.equal(await world.logins(), 2)
  },

  async 'a call that is cancelled while it waits for a busy service ends at once'(world) {
    const { client, call } = await world.open({ callAttempts: 2 })
    await client.token()
    await world.fault({ kind: '429_retry_after', seconds: 30, first: 1 })
    const controller = new AbortController()
    const held = call({ path: LIMITS, signal: controller.signal }).catch((error) => error)
    await world.control('wait_requests', { endpoint: 'limits', count: 1 })
    // Its response is in flight: after another call it has been processed.
    await call({ path: LIMITS })
    controller.abort()
    world.adapter.isCancelled(await held)
    assert.ok(getEventListeners(controller.signal, 'abort').length <= (world.adapter.leavesListeners ?? 0))
    assert.equal((await world.sent('limits')).length, 2)
  },

  async "a caller's own Authorization header is sent as it is, and nothing is renewed"(world) {
    const { call } = await world.open()
    const headers = { Authorization: 'Bearer mine' }
    const { status } = await call({ path: world.emulator.org.instanceUrl + LIMITS, headers })
    assert.equal(status, 401)
    const [request] = await world.sent('limits')
    assert.equal(request.headers.authorization, 'Bearer mine')
    assert.ok((await world.logins()) <= 1)
  },
}
