// Sharing a token: stores that are built in, and stores written in JavaScript.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Client, ClientPool, ConfigurationError } from 'forcegrant'
import { checkStore, startEmulator } from 'forcegrant/testing'

/** A complete store for one process. */
class MemoryStore {
  entries = new Map()
  leases = new Map()
  fences = new Map()
  logins = new Map()

  get(key) {
    const found = this.entries.get(key)
    if (found === undefined || found.ends <= performance.now()) return undefined
    return { entry: found.entry, left: found.ends - performance.now() }
  }

  put(key, entry, timeToLive, lease) {
    this.release(key, lease)
    if (this.get(key) !== undefined && this.entries.get(key).fence > lease.fence) return false
    this.fences.set(key, Math.max(this.fences.get(key) ?? 0, lease.fence))
    this.entries.set(key, { entry, fence: lease.fence, ends: performance.now() + timeToLive })
    return true
  }

  acquire(key, owner, time) {
    const now = performance.now()
    let held = this.leases.get(key)
    if (held !== undefined && held.ends > now && held.owner !== owner) {
      return { granted: false, fence: held.fence, left: held.ends - now }
    }
    if (held === undefined || held.ends <= now) {
      const fence = (this.fences.get(key) ?? 0) + 1
      this.fences.set(key, fence)
      held = { owner, fence }
    }
    this.leases.set(key, { ...held, ends: now + time })
    return { granted: true, fence: held.fence }
  }

  release(key, lease) {
    if (this.leases.get(key)?.owner === lease.owner) this.leases.delete(key)
  }

  count(key, logins) {
    const sum = (this.logins.get(key) ?? 0) + logins
    this.logins.set(key, sum)
    return sum
  }
}

let emulator

before(async () => {
  emulator = await startEmulator()
})
beforeEach(() => emulator.control('reset'))
after(() => emulator?.close())

const requests = async () => (await emulator.control('counters')).token_requests
const client = (options) => new Client(emulator.clientOptions(options))

test('a store in JavaScript keeps the contract', async () => {
  assert.deepEqual(await checkStore(new MemoryStore()), [])
})

test('a store that forgets its fences is found', async () => {
  class Forgetful extends MemoryStore {
    acquire(...rest) {
      super.acquire(...rest)
      return { granted: true, fence: 1 }
    }
  }
  assert.notDeepEqual(await checkStore(new Forgetful()), [])
  assert.throws(() => checkStore({}), TypeError)
})

test('clients share a token through it, and it sees no token', async () => {
  const store = new MemoryStore()
  const [one, two] = [client({ store }), client({ store })]
  const tokens = await Promise.all([one.token(), two.token(), two.token()])
  assert.equal(new Set(tokens.map((token) => token.accessToken)).size, 1)
  assert.equal(await requests(), 1)
  const [{ entry }] = store.entries.values()
  assert.ok(!Buffer.from(entry).includes(tokens[0].accessToken))
  assert.ok(!Buffer.from(entry).includes(tokens[0].instanceUrl))
})

test('clients of a pool share through it too', async () => {
  const store = new MemoryStore()
  const { loginUrl, clientId, clientSecret, ...shared } = emulator.clientOptions({ store })
  await client({ store }).token()
  const pool = new ClientPool(shared)
  pool.insert('acme', { loginUrl, clientId, clientSecret })
  await pool.token('acme')
  assert.equal(await requests(), 1)
})

test('a store that throws is an event, and the login goes ahead', async () => {
  const store = new MemoryStore()
  store.get = () => {
    throw new RangeError('out of order')
  }
  const events = []
  const own = client({ store, onEvent: (event) => events.push(event) })
  await own.token()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(
    events.map(({ name }) => name),
    ['store_failed', 'login_started', 'login_succeeded'],
  )
  assert.match(events[0].error.message, /RangeError: out of order/)
})

test('a folder is shared, sealed and for its owner only', async () => {
  const home = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
  try {
    const folder = path.join(home, 'shared')
    const store = pathToFileURL(folder).href
    const token = await client({ store }).token()
    assert.equal((await client({ store }).token()).accessToken, token.accessToken)
    assert.equal(await requests(), 1)
    for (const name of readdirSync(folder)) {
      assert.ok(!readFileSync(path.join(folder, name)).includes(token.accessToken), name)
    }
  } finally {
    rmSync(home, { recursive: true })
  }
})

test('a text that names no store is an error that shows none of it', () => {
  for (const store of ['memcached://hunter22@host', 'file:relative', 7, {}]) {
    assert.throws(
      () => client({ store }),
      (error) => error instanceof ConfigurationError && !error.message.includes('hunter22'),
    )
  }
})
