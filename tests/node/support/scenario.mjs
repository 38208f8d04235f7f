// Runs one scenario of tests/scenarios against a running emulator; the README there says what each key means.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connections } from 'forcegrant'
import { TestClock } from 'forcegrant/testing'
import { expectError, expectSubset, expectToken } from './expect.mjs'
import { agentFor, fetchBy } from './network.mjs'
import { CONNECTION_STEPS } from './scenario-connections.mjs'
import { Keyed, NEW_POOL, POOL_STEPS } from './scenario-pools.mjs'
import { STEPS } from './scenario-steps.mjs'
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
    [
      'id',
      'about',
      'emulator',
      'hosts',
      'clock',
      'environment',
      'client',
      'build_error',
      'steps',
      'counters',
    ],
    scenario.id,
  )
  const run = new Run(scenario, emulator)
  const { env } = process
  const parent = await mkdtemp(join(tmpdir(), 'forcegrant-scenario-'))
  run.folder = join(parent, 'connections')
  try {
    await execute(run, scenario, emulator)
  } finally {
    process.env = env
    await rm(parent, { recursive: true })
  }
}

async function execute(run, scenario, emulator) {
  await run.prepare()
  if (scenario.environment !== undefined) run.surround(run.filled(scenario.environment))
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

  /** Has these variables in `process.env`, and no others that a client reads. */
  surround(variables) {
    const others = Object.entries(process.env).filter(
      ([name]) => !/^(SALESFORCE|SF)_|^FORCEGRANT_CONNECTION|_proxy$/i.test(name),
    )
    process.env = { ...Object.fromEntries(others), ...variables }
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
      proxy_address: proxy.replace('http://', ''),
      connections: this.folder,
    }
    for (const [name, text] of Object.entries(this.sandbox)) names[`sandbox_${name}`] = text
    for (const [name, token] of this.saved) names[name] = token.accessToken
    return substitute(value, names)
  }

  build(name, { from_env, from_connection, login_url, client_id, client_secret, ...given }) {
    const { myDomain, clientId, clientSecret } = this.emulator.org
    if (from_env) return Client.fromEnv(this.options(name, given))
    if (from_connection !== undefined) {
      const connections = new Connections(this.folder)
      return Client.fromConnection(from_connection, { ...this.options(name, given), connections })
    }
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

  /** Login URL and client credentials of the org there; the default org's pair if it is of neither. */
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
    } else if (Object.hasOwn(CONNECTION_STEPS, name)) {
      const [keys, act] = CONNECTION_STEPS[name]
      only(step, ['do', 'note', ...keys], 'the step')
      await act(this, step)
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
