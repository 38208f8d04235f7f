// The steps of a scenario, but for those about pools: each with the keys that it may have, and what it does.
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import {
  expectError,
  expectEvents,
  expectRequests,
  expectResponse,
  expectStatus,
  expectSubset,
  expectToken,
  expectVerified,
} from './expect.mjs'
import { must } from './scenario-pools.mjs'
import { only } from './substitute.mjs'

export const STEPS = {
  token: [
    ['with', 'key', 'save', 'expect'],
    async (run, step, client) => {
      const [result] = await Promise.allSettled([client.token()])
      run.settled(result, step)
    },
  ],
  cached: [
    ['with', 'key', 'save', 'expect'],
    (run, { expect, save }, client) => {
      only(expect, ['token', 'none'], 'expect')
      const token = client.cached()
      if (expect.none === true) {
        assert.equal(token, undefined, 'there is a cached token')
      } else {
        expectToken(token, expect.token, run)
        run.save(save, token)
      }
    },
  ],
  herd: [
    ['with', 'key', 'callers', 'release_after_arrival', 'save', 'expect'],
    async (run, step, client) => {
      const calls = Array.from({ length: step.callers }, () => client.token())
      const settled = Promise.allSettled(calls)
      if (step.release_after_arrival !== undefined) {
        await run.emulator.control('wait_requests', { endpoint: 'token', count: step.release_after_arrival })
        await run.emulator.control('release')
      }
      run.settledAlike(await settled, step)
    },
  ],
  start: [
    ['with', 'key', 'as', 'callers', 'until_arrival'],
    async (run, { as, callers = 1, until_arrival: count }, client) => {
      const calls = Array.from({ length: callers }, () => client.token())
      run.started.set(as, Promise.allSettled(calls))
      if (count !== undefined) await run.emulator.control('wait_requests', { endpoint: 'token', count })
    },
  ],
  finish: [
    ['of', 'save', 'expect'],
    async (run, { of, ...step }) => {
      if (!run.started.has(of)) throw new Error(`${of} was not started`)
      run.settledAlike(await run.started.get(of), step)
    },
  ],
  invalidate: [
    ['with', 'key', 'token', 'times', 'expect'],
    (run, { token, times = 1, expect }, client) => {
      only(expect, ['evicted'], 'expect')
      const reported = run.saved.get(token)
      if (reported === undefined) throw new Error(`no token was saved as ${token}`)
      const answers = Array.from({ length: times }, () => client.invalidate(reported))
      assert.equal(answers.filter(Boolean).length, expect.evicted ? 1 : 0, 'how many reports evicted')
    },
  ],
  verify: [
    ['with', 'save', 'expect'],
    async (run, { save, expect = {} }, client) => {
      only(expect, ['verified', 'error'], 'expect')
      const [{ value, reason }] = await Promise.allSettled([client.verify()])
      if (expect.error !== undefined) {
        assert.equal(value, undefined, 'the verification succeeded')
        expectError(reason, expect.error, run)
        return
      }
      if (reason !== undefined) throw reason
      expectVerified(value, expect.verified ?? {}, run)
      run.save(save, value.token)
    },
  ],
  reset: [['with'], (_run, _step, client) => client.reset()],
  settle: [['with'], (_run, _step, client) => client.waitIdle()],
  status: [
    ['with', 'key', 'expect'],
    (run, { expect }, client) => {
      const status = client.status()
      if (expect === null) assert.equal(status, undefined, 'the pool knows the key')
      else expectStatus(status, expect, run)
    },
  ],
  environment: [['variables'], (run, { variables }) => run.surround(variables)],
  new_client: [
    ['as', 'client', 'build_error'],
    (run, { as, client, build_error }) => {
      if (build_error !== undefined) run.mustNotBuild(client, build_error)
      else run.clients.set(as, run.build(as, client))
    },
  ],
  advance: [
    ['seconds'],
    async (run, { seconds }) => {
      if (run.clock === undefined) throw new Error('only with "clock": "test"')
      await run.emulator.control('advance', { seconds })
      run.clock.advance(seconds * 1000)
    },
  ],
  control: [
    ['request', 'expect'],
    async (run, { request: { op, ...fields }, expect = {} }) => {
      expectSubset(await run.emulator.control(op, fields), expect, 'answer')
    },
  ],
  requests: [
    ['endpoint', 'count', 'count_at_least', 'count_at_most', 'expect'],
    async (
      run,
      { endpoint, count, count_at_least = 0, count_at_most = Number.POSITIVE_INFINITY, expect },
    ) => {
      const { requests } = await run.emulator.control('requests', { endpoint })
      const seen = requests.length
      if (count !== undefined) assert.equal(seen, count, 'the number of requests')
      assert.ok(seen >= count_at_least && seen <= count_at_most, `${seen} requests`)
      if (expect !== undefined) expectRequests(requests, expect)
    },
  ],
  set_credentials: [
    ['with', 'key', 'login_url', 'client_id', 'client_secret', 'next_credentials', 'expect'],
    (run, { login_url, client_id, client_secret, next_credentials: next, expect }, client) => {
      const pairs = [run.keyPair({ client_id, client_secret }), next && run.keyPair(next)]
      if (login_url !== undefined) pairs.push(login_url)
      must(run, () => client.setCredentials(...pairs), expect)
    },
  ],
  events: [
    ['with', 'expect'],
    async (run, { with: which = 'main', expect }, client) => {
      await client.waitIdle()
      const events = run.events.get(which)
      // They come through the event loop.
      const end = Date.now() + 2_000
      do await setImmediate()
      while (events.length < expect.length && Date.now() < end)
      expectEvents(events.splice(0), expect, run)
    },
  ],
  call: [
    ['with', 'method', 'path', 'url', 'body', 'headers', 'callers', 'release_after_arrival', 'expect'],
    async (run, { path, url, callers = 1, release_after_arrival, expect, ...request }, client) => {
      const calls = Array.from({ length: callers }, () => call(client, path ?? url, request))
      const settled = Promise.allSettled(calls)
      if (release_after_arrival !== undefined) {
        await run.emulator.control('wait_requests', { endpoint: 'data', count: release_after_arrival })
        await run.emulator.control('release')
      }
      for (const { value, reason } of await settled) {
        only(expect ?? {}, ['response', 'error'], 'expect')
        if (expect?.error !== undefined) {
          assert.equal(value, undefined, 'the call has a response')
          expectError(reason, expect.error, run)
          continue
        }
        if (reason !== undefined) throw reason
        if (expect === undefined) assert.ok(value.status < 400, `the response is ${value.status}`)
        expectResponse(value, expect?.response ?? {})
      }
    },
  ],
  limits: [
    ['with', 'expect'],
    (_run, { expect }, client) => {
      only(expect, ['usage', 'none'], 'expect')
      assert.deepEqual(client.limits(), expect.none === true ? undefined : expect.usage, 'the usage')
    },
  ],
  invalidate_if_rotated: [
    ['with', 'expect'],
    (_run, { expect }, client) => {
      only(expect, ['dropped'], 'expect')
      assert.equal(client.invalidateIfRotated(), expect.dropped, 'dropped')
    },
  ],
}

/** An API call, and its answer read to the end. */
async function call(client, pathOrUrl, { method, headers, body }) {
  const init = { method, headers }
  if (body !== undefined) {
    const { bytes, stream } = only(body, ['bytes', 'stream'], 'body')
    init.body = bytes ?? new Blob([stream]).stream()
    init.duplex = 'half'
  }
  const response = await client.fetch(pathOrUrl, init)
  return { status: response.status, headers: response.headers, body: await response.text() }
}
