// The steps of a scenario about pools.
import assert from 'node:assert/strict'
import { ClientPool, Connections } from 'forcegrant'
import { expectError, expectStatus } from './expect.mjs'
import { dumped } from './scenario-connections.mjs'
import { only } from './substitute.mjs'

const ORG = ['login_url', 'client_id', 'client_secret', 'next_credentials']
const OWN = {
  max_clients: 'maxClients',
  logins_per_second: 'loginsPerSecond',
  concurrent_logins: 'concurrentLogins',
}

/** A key of a pool, with the methods of a client. */
export class Keyed {
  constructor(pool, key, loginUrl) {
    this.pool = pool
    this.key = key
    this.loginUrl = loginUrl
  }

  token = () => this.pool.token(this.key)
  cached = () => this.pool.cached(this.key)
  invalidate = (token) => this.pool.invalidate(this.key, token)
  status = () => this.pool.status(this.key)
  setCredentials = (current, next, loginUrl = this.loginUrl) =>
    this.pool.setCredentials(this.key, { loginUrl, ...current, next })
}

/** A pool of a run, and the credentials callback that it may have. */
class Kept {
  asked = {}
  orgs = {}

  constructor(run) {
    this.run = run
  }

  answer = async (key) => {
    this.asked[key] = (this.asked[key] ?? 0) + 1
    const org = this.orgs[key]
    if (org === undefined) throw new Error(`there is no tenant ${key}`)
    if (org.fails !== undefined) throw new Error(org.fails)
    if (org.none) return undefined
    return org.dumped ? dumped(this.run, key, org) : org
  }
}

/** The org as the package takes it; what is not given is that of the emulator's org. */
function orgOf(run, given, where) {
  const { login_url, client_id, client_secret, next_credentials: next } = only(given, ORG, where)
  const org = run.orgAt(login_url)
  const current = {
    client_id: client_id ?? org.clientId,
    client_secret: client_secret ?? org.clientSecret,
  }
  const credentials = { loginUrl: org.loginUrl, ...run.keyPair(current) }
  return next === undefined ? credentials : { ...credentials, next: run.keyPair(next) }
}

function answers(run, kept, orgs) {
  for (const [key, { fails, none, dumped, ...org }] of Object.entries(orgs))
    kept.orgs[key] =
      fails === undefined && !none ? { ...orgOf(run, org, key), ...(dumped && { dumped }) } : { fails, none }
}

/** Does it; with an expectation it must fail. */
export function must(run, action, expect) {
  let thrown
  try {
    action()
  } catch (error) {
    if (expect === undefined) throw error
    thrown = error
  }
  if (expect === undefined) return
  only(expect, ['error'], 'expect')
  assert.notEqual(thrown, undefined, 'it did not fail')
  expectError(thrown, expect.error, run)
}

/** Each with the keys that it may have, and the pool that `with` names. */
export const POOL_STEPS = {
  orgs: [['orgs'], (run, { orgs }, kept) => answers(run, kept, orgs)],
  insert: [
    ['key', ...ORG, 'expect'],
    (run, { do: _do, note: _note, with: _with, key, expect, ...org }, { pool }) =>
      must(run, () => pool.insert(key, orgOf(run, org, 'insert')), expect),
  ],
  remove: [
    ['key', 'expect'],
    (_run, { key, expect }, { pool }) => {
      only(expect, ['removed'], 'expect')
      assert.equal(pool.remove(key), expect.removed, 'removed')
    },
  ],
  prewarm: [
    ['keys', 'expect'],
    async (run, { keys, expect }, { pool }) => {
      only(expect, ['ready', 'failed'], 'expect')
      const { ready, failed } = await pool.prewarm(keys)
      assert.equal(ready, expect.ready, 'how many are ready')
      assert.deepEqual([...failed.keys()].sort(), Object.keys(expect.failed).sort(), 'what failed')
      for (const [key, error] of failed) expectError(error, expect.failed[key], run)
    },
  ],
  take_client: [
    ['key', 'as', 'expect'],
    (run, { key, as, expect }, { pool }) => must(run, () => run.clients.set(as, pool.client(key)), expect),
  ],
  pool_status: [
    ['expect'],
    (run, { expect }, { pool }) => {
      only(expect, ['size', 'has', 'statuses'], 'expect')
      if (expect.size !== undefined) assert.equal(pool.size, expect.size, 'size')
      for (const [key, known] of Object.entries(expect.has ?? {}))
        assert.equal(pool.has(key), known, `has ${key}`)
      if (expect.statuses === undefined) return
      const statuses = pool.statuses()
      assert.deepEqual([...statuses.keys()].sort(), Object.keys(expect.statuses).sort(), 'statuses')
      for (const [key, status] of statuses) expectStatus(status, expect.statuses[key], run)
    },
  ],
  asked: [
    ['expect'],
    (_run, { expect }, { asked }) => assert.deepEqual(asked, expect, 'how often the callback was asked'),
  ],
}

/** The step `new_pool`, which alone needs no pool. */
export const NEW_POOL = [
  ['as', 'pool', 'client', 'orgs', 'connections', 'build_error'],
  (run, { as = 'pool', pool: own = {}, client = {}, orgs, connections, build_error }) => {
    only(own, Object.keys(OWN), 'pool')
    const kept = new Kept(run)
    const options = run.options(as, client)
    for (const [name, value] of Object.entries(own)) options[OWN[name]] = value
    if (orgs !== undefined) {
      answers(run, kept, orgs)
      options.credentialsCallback = kept.answer
    }
    if (connections) options.connections = new Connections(run.folder)
    const expect = build_error && { error: build_error }
    must(run, () => run.pools.set(as, Object.assign(kept, { pool: new ClientPool(options) })), expect)
  },
]
