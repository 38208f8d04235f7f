// Runs one scenario of tests/scenarios against a running emulator; the README there says what each key means.
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { Client } from 'forcegrant'
import { TestClock } from 'forcegrant/testing'
import {
  expectAnswer,
  expectError,
  expectEvents,
  expectRequests,
  expectStatus,
  expectSubset,
  expectToken,
  expectVerified,
} from './expect.mjs'
import { agentFor, fetchBy } from './network.mjs'
import { Keyed, must, NEW_POOL, POOL_STEPS } from './scenario-pools.mjs'
import { only, substitute } from './substitute.mjs'

const SECONDS = [
  'connect_timeout',
  'attempt_timeout',
  'total_timeout',
  'retry_backoff',
  'retry_after_cap',
  'session_timeout',
  'refresh_window',
  'safety_margin',
  'max_stale',
  'store_timeout',
  'introspection_timeout',
  'call_retry_after_cap',
]
/** The second org of the emulator. */
const SANDBOX = 'acme--uat.sandbox.my.salesforce.com'
const PAIRS = ['refusal_backoff', 'transient_backoff', 'call_backoff']
const AS_THEY_ARE = [
  'auth_style',
  'token_url',
  'trusted_hosts',
  'allow_http_loopback',
  'max_attempts',
  'call_attempts',
  'introspect',
  'login_budget',
  'store',
]

export async function runScenario(scenario, emulator) {
  only(
    scenario,
    ['id', 'about', 'emulator', 'hosts', 'clock', 'client', 'build_error', 'steps', 'counters'],
    scenario.id,
  )
  const run = new Run(scenario, emulator)
  await run.prepare()
  if (scenario.build_error !== undefined) {
    run.mustNotBuild(run.filled(scenario.client ?? {}), run.filled(scenario.build_error))
    const { token_requests } = await emulator.control('counters')
    assert.equal(token_requests, 0, 'a client that was not built asked for a token')
  } else {
    run.clients.set('main', run.build('main', run.filled(scenario.client ?? {})))
    try {
      await run.steps()
    } finally {
      await run.agent.close()
    }
  }
  const counters = await emulator.control('counters')
  expectSubset(counters, scenario.counters ?? {}, 'counters')
}

let runs = 0

class Run {
  clients = new Map()
  pools = new Map()
  started = new Map()
  /** What each client and pool has told. */
  events = new Map()
  saved = new Map()

  constructor(scenario, emulator) {
    this.scenario = scenario
    this.emulator = emulator
    // Calls reach the emulator by it, whatever the host.
    this.agent = agentFor(emulator)
    this.secrets = new Set([emulator.org.clientSecret])
  }

  now = () => (this.clock === undefined ? Date.now() : this.clock.now().getTime())

  async prepare() {
    const { emulator, scenario } = this
    await emulator.control('reset')
    const { org: sandbox } = await emulator.control('configure', { my_domain: SANDBOX })
    this.sandbox = { my_domain: SANDBOX, org_id: sandbox.org_id, ...sandbox.apps[0].keys[0] }
    const changes = only(scenario.emulator ?? {}, ['org', 'app', 'user', 'faults'], 'emulator')
    const { faults = [], ...configuration } = this.filled(changes)
    if (Object.keys(configuration).length > 0) await emulator.control('configure', configuration)
    for (const fault of faults) await emulator.control('fault', fault)
    // Clients that reach their org in another way share nothing: those of an earlier run may still live.
    this.hosts = [...this.filled(scenario.hosts ?? []), `run-${++runs}.example.com`]
    if (scenario.clock === undefined) return
    assert.equal(scenario.clock, 'test', 'clock')
    const { now_ms } = await emulator.control('now')
    this.clock = new TestClock(new Date(now_ms))
  }

  /** The value with its placeholders replaced by what is known by now. */
  filled(value) {
    const { org, https, http, proxy } = this.emulator
    const names = {
      my_domain: org.myDomain,
      client_id: org.clientId,
      client_secret: org.clientSecret,
      org_id: org.orgId,
      user_id: org.userId,
      username: org.username,
      instance_url: org.instanceUrl,
      https,
      http,
      https_port: https.split(':').at(-1),
      http_port: http.split(':').at(-1),
      proxy,
    }
    for (const [name, text] of Object.entries(this.sandbox)) names[`sandbox_${name}`] = text
    for (const [name, token] of this.saved) names[name] = token.accessToken
    return substitute(value, names)
  }

  build(name, { login_url, client_id, client_secret, ...given }) {
    const { myDomain, clientId, clientSecret } = this.emulator.org
    const options = {
      ...this.options(name, given),
      loginUrl: login_url ?? myDomain,
      clientId: client_id ?? clientId,
      clientSecret: client_secret ?? clientSecret,
    }
    this.secrets.add(options.clientSecret)
    return new Client(options)
  }

  /** What is not about one org, as the package takes it. */
  options(name, given) {
    const options = { retryBackoff: 1 }
    if (this.scenario.steps?.some((step) => step.do === 'events')) {
      const events = []
      this.events.set(name, events)
      options.onEvent = (event) => events.push(event)
    }
    for (const [name, value] of Object.entries(given)) {
      const camel = name.replaceAll(/_(.)/g, (_all, letter) => letter.toUpperCase())
      if (AS_THEY_ARE.includes(name)) options[camel] = value
      else if (SECONDS.includes(name)) options[camel] = value * 1000
      else if (PAIRS.includes(name)) options[camel] = value.map((seconds) => seconds * 1000)
      else if (!['resolve', 'roots', 'proxy', 'next_credentials'].includes(name))
        throw new Error(`unknown option ${name}`)
    }
    const { resolve = {}, roots = 'emulator', proxy = 'none' } = given
    options.resolve = {}
    for (const host of [this.emulator.org.myDomain, ...this.hosts])
      options.resolve[host] = this.emulator.https
    // Keys hold placeholders here and nowhere else.
    for (const [host, address] of Object.entries(resolve)) options.resolve[this.filled(host)] = address
    options.roots = roots === 'emulator' ? this.emulator.caPem : roots
    options.proxy = proxy === 'environment' ? 'env' : proxy
    if (given.next_credentials !== undefined) options.nextCredentials = this.keyPair(given.next_credentials)
    if (this.clock !== undefined) options.clock = this.clock
    options.fetch = fetchBy(this.agent)
    return options
  }

  /** Login URL and key pair of the org there; the default org's pair if it is of neither. */
  orgAt(loginUrl) {
    const { myDomain, clientId, clientSecret } = this.emulator.org
    if (loginUrl !== SANDBOX) return { loginUrl: loginUrl ?? myDomain, clientId, clientSecret }
    return { loginUrl, clientId: this.sandbox.client_id, clientSecret: this.sandbox.client_secret }
  }

  /** The pair as the package takes it; its secret is noted. */
  keyPair(given) {
    const { client_id: clientId, client_secret: clientSecret } = only(
      given,
      ['client_id', 'client_secret'],
      'key pair',
    )
    this.secrets.add(clientSecret)
    return { clientId, clientSecret }
  }

  mustNotBuild(options, expected) {
    let built
    try {
      built = this.build('', options)
    } catch (error) {
      expectError(error, expected, this)
    }
    assert.equal(built, undefined, 'the client was built')
  }

  async steps() {
    for (const [index, step] of this.scenario.steps.entries()) {
      try {
        await this.step(this.filled(step))
      } catch (cause) {
        throw new Error(`step ${index} (${step.do}): ${cause.message}`, { cause })
      }
    }
    for (const client of this.clients.values()) await client.waitIdle()
    for (const { pool } of this.pools.values()) await pool.waitIdle()
  }

  async step(step) {
    const { do: name, with: which } = step
    if (name === 'new_pool') {
      only(step, ['do', 'note', ...NEW_POOL[0]], 'the step')
      NEW_POOL[1](this, step)
    } else if (Object.hasOwn(POOL_STEPS, name)) {
      const [keys, act] = POOL_STEPS[name]
      only(step, ['do', 'note', 'with', ...keys], 'the step')
      await act(this, step, this.pool(which))
    } else {
      if (!Object.hasOwn(STEPS, name)) throw new Error('unknown step')
      const [keys, act] = STEPS[name]
      only(step, ['do', 'note', ...keys], 'the step')
      await act(this, step, keys.includes('with') ? this.asker(step) : undefined)
    }
  }

  /** The client that the step names, or the key of a pool. */
  asker({ do: name, with: which, key }) {
    if (key !== undefined) return new Keyed(this.pool(which).pool, key, this.emulator.org.myDomain)
    if ((name === 'settle' || name === 'events') && this.pools.has(which)) return this.pool(which).pool
    const client = this.clients.get(which ?? 'main')
    if (client === undefined) throw new Error(`there is no client ${which}`)
    return client
  }

  pool(name = 'pool') {
    const kept = this.pools.get(name)
    if (kept === undefined) throw new Error(`there is no pool ${name}`)
    return kept
  }

  save(name, token) {
    if (name !== undefined) this.saved.set(name, token)
  }

  /** What came of a call that gives a token, held against what was expected of it. */
  settled({ value, reason }, { expect = {}, save }) {
    only(expect, ['token', 'error'], 'expect')
    if (expect.error !== undefined) {
      assert.equal(value, undefined, 'the call succeeded')
      expectError(reason, expect.error, this)
      return
    }
    if (reason !== undefined) throw reason
    expectToken(value, expect.token ?? {}, this)
    this.save(save, value)
  }

  /** The same of callers of one login. */
  settledAlike(results, step) {
    for (const result of results) this.settled(result, step)
    const texts = new Set(results.map(({ value }) => value?.accessToken))
    assert.equal(texts.size, 1, 'all callers get the same')
  }
}

const STEPS = {
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
        only(expect ?? {}, ['answer', 'error'], 'expect')
        if (expect?.error !== undefined) {
          assert.equal(value, undefined, 'the call was answered')
          expectError(reason, expect.error, run)
          continue
        }
        if (reason !== undefined) throw reason
        if (expect === undefined) assert.ok(value.status < 400, `it was answered with ${value.status}`)
        expectAnswer(value, expect?.answer ?? {})
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
  drop_retired: [
    ['with', 'expect'],
    (_run, { expect }, client) => {
      only(expect, ['dropped'], 'expect')
      assert.equal(client.dropRetired(), expect.dropped, 'dropped')
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
