// Connections: in a folder, in no folder, under a client and under a pool.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import { Client, ClientPool, ConfigurationError, Connection, Connections, setupSteps } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'

const SANDBOX = 'acme--uat.sandbox.my.salesforce.com'
const KEY = Buffer.alloc(32, 7).toString('base64')
const OTHER_KEY = Buffer.alloc(32, 8).toString('base64')
const CANARY = 'CANARY5ECRET0123456789'
const { env } = process
let emulator
let home
let folder

before(async () => {
  emulator = await startEmulator()
})
beforeEach(async () => {
  await emulator.control('reset')
  home = await mkdtemp(join(tmpdir(), 'forcegrant-'))
  folder = join(home, 'connections')
  process.env = { ...env, FORCEGRANT_CONNECTIONS: folder }
  delete process.env.FORCEGRANT_CONNECTIONS_KEY
})
afterEach(async () => {
  process.env = env
  await rm(home, { recursive: true })
})
after(() => emulator?.close())

/** The options to reach both orgs. */
function network() {
  const { roots } = emulator.clientOptions()
  const resolve = { [SANDBOX]: emulator.https, [emulator.org.myDomain]: emulator.https }
  return { roots, resolve, proxy: 'none', retryBackoff: 1 }
}

function values(more) {
  const { myDomain, clientId, clientSecret } = emulator.org
  return { loginUrl: myDomain, clientId, clientSecret, ...network(), ...more }
}

async function sandbox() {
  const { org } = await emulator.control('configure', { my_domain: SANDBOX })
  const { client_id, client_secret } = org.apps[0].keys[0]
  return { loginUrl: SANDBOX, clientId: client_id, clientSecret: client_secret, ...network() }
}

const save = (id = 'acme', more) => new Connections().authorize(id, values(more))
const fileOf = (id) => readFile(join(folder, `${id}.json`), 'utf8')

/** A check of an error by its code and its field. */
const failed = (code, field) => (error) => {
  assert.equal(error.code, code, String(error))
  if (field !== undefined) assert.equal(error.field, field)
  assert(
    !inspect(error, { depth: 9 }).includes(CANARY) && !inspect(error).includes(emulator.org.clientSecret),
  )
  return true
}

test('what is saved is used by its id', async () => {
  const acme = await save('acme', { name: 'Acme Käse', labels: { tenant: '42' } })
  assert.deepEqual(
    [acme.id, acme.name, acme.labels, acme.revision],
    ['acme', 'Acme Käse', { tenant: '42' }, 1],
  )
  assert.deepEqual([acme.orgId, acme.userId], [emulator.org.orgId, emulator.org.userId])
  assert.deepEqual([acme.loginUrl, acme.clientId], [emulator.org.myDomain, emulator.org.clientId])
  assert(acme.verified instanceof Date && acme.created instanceof Date)
  if (process.platform !== 'win32') assert.equal((await stat(join(folder, 'acme.json'))).mode & 0o777, 0o600)
  for (const client of [
    Client.fromConnection('acme', network()),
    Client.fromConnection('acme', { connections: new Connections(folder), ...network() }),
    Client.fromConnection(await new Connections().get('acme'), network()),
  ]) {
    assert.equal((await client.token()).orgId, emulator.org.orgId)
  }
  process.env.FORCEGRANT_CONNECTION = 'acme'
  assert.equal((await Client.fromEnv(network()).token()).orgId, emulator.org.orgId)
  process.env.SALESFORCE_CLIENT_ID = 'x'
  assert.throws(() => Client.fromEnv(network()), failed('ambiguous_credentials'))
  assert.equal(Client.fromConnection('acme', network()).loginHost, emulator.org.myDomain)
})

test('a connection shows no secret, and two differ by what they show', async () => {
  const acme = await save()
  const again = await new Connections().get('acme')
  assert.deepStrictEqual(acme, again)
  assert.notDeepStrictEqual(await new Connections().setLabels('acme', { a: 'b' }), again)
  const shown = [inspect(acme, { depth: 9, showHidden: true }), JSON.stringify(acme), String(acme)]
  for (const text of [...shown, JSON.stringify(structuredClone({ ...acme }))]) {
    assert(!text.includes(emulator.org.clientSecret), text)
  }
  assert.match(shown[0], /^Connection .*acme/s)
  assert.throws(() => {
    acme.name = 'other'
  }, TypeError)
  assert.match(inspect(new Connections()), /^Connections .*folder/)
})

test('list, get, label, verify and remove', async () => {
  const connections = new Connections()
  assert.equal(connections.folder, folder)
  assert.deepEqual(await connections.list(), { connections: [], unreadable: [] })
  await save('acme', { labels: { tenant: '42', region: 'eu' } })
  await save('globex')
  await writeFile(join(folder, 'broken.json'), `{ ${CANARY}`, { mode: 0o600 })
  const found = await connections.list()
  assert.deepEqual(
    found.connections.map(({ id }) => id),
    ['acme', 'globex'],
  )
  assert.equal(found.unreadable.length, 1)
  assert(found.unreadable[0] instanceof ConfigurationError)
  failed('connection_unreadable')(found.unreadable[0])
  const { connections: labelled } = await connections.list({ labels: { tenant: '42' } })
  assert.deepEqual(
    labelled.map(({ id }) => id),
    ['acme'],
  )
  assert.deepEqual((await connections.setLabels('acme', {})).labels, {})
  assert.equal((await connections.verify('acme', network())).revision, 3)
  await connections.remove('acme')
  await assert.rejects(connections.get('acme'), failed('unknown_connection'))
  await assert.rejects(connections.remove('acme'), failed('unknown_connection'))
  await assert.rejects(connections.verify('acme', network()), failed('unknown_connection'))
  assert.throws(() => Client.fromConnection('acme'), failed('unknown_connection'))
})

test('a refusal changes nothing and names the field', async () => {
  await save()
  const before = await fileOf('acme')
  for (const [id, more, code, field] of [
    ['acme', { clientSecret: CANARY }, 'invalid_client_secret', 'clientSecret'],
    ['acme', { clientId: '3MVG9.NOT.THIS.ONE' }, 'invalid_client_id', 'clientId'],
    ['acme', { loginUrl: 'login.salesforce.com' }, 'invalid_login_url', 'loginUrl'],
    ['new', { clientSecret: undefined }, 'missing_credentials', 'clientSecret'],
    ['Bad Id', {}, 'invalid_option', undefined],
  ]) {
    const refused = new Connections().authorize(id, values({ replace: true, ...more }))
    await assert.rejects(refused, failed(code, field))
  }
  await assert.rejects(save(), failed('connection_exists'))
  assert.deepEqual(await readdir(folder), ['acme.json'])
  assert.equal(await fileOf('acme'), before)
})

test('authorized anew, with what is not given left as it is', async () => {
  await save('acme', { name: 'Acme', labels: { tenant: '42' } })
  const client = Client.fromConnection('acme', network())
  const token = await client.token()
  const other = { client_id: '3MVG9.OTHER', client_secret: '0123456789ABCDEF'.repeat(4) }
  await emulator.control('add_key', other)
  const given = { clientId: other.client_id, clientSecret: other.client_secret, replace: true }
  const again = await new Connections().authorize('acme', { ...given, ...network() })
  assert.deepEqual([again.revision, again.name, again.labels], [2, 'Acme', { tenant: '42' }])
  assert.equal(await client.token(), token)
  const moved = await sandbox()
  const replaced = (more) => new Connections().authorize('acme', { ...moved, replace: true, ...more })
  await assert.rejects(replaced(), failed('other_org'))
  assert.equal((await replaced({ otherOrg: true })).loginUrl, SANDBOX)
})

test('values of wrong types are refused before anything is sent', async () => {
  const connections = new Connections()
  await assert.rejects(connections.authorize(7, values()), TypeError)
  await assert.rejects(connections.authorize('acme', 'x'), TypeError)
  await assert.rejects(connections.get(7), TypeError)
  for (const more of [
    { clientSecret: 7 },
    { labels: [CANARY] },
    { labels: { a: 1 } },
    { replace: 'yes' },
    { attemptTimeout: 'soon' },
    { clientSecrets: CANARY },
    { proxy: 'htp://x' },
  ]) {
    await assert.rejects(connections.authorize('acme', values(more)), failed('invalid_option'))
  }
  assert.throws(() => new Connections('relative'), failed('invalid_option'))
  assert.throws(() => new Connections({}), failed('invalid_option'))
  assert.throws(() => new ClientPool({ connections: folder }), failed('invalid_option'))
  assert.throws(() => Client.fromConnection(7), TypeError)
  assert.throws(() => Client.fromConnection('acme', { attemptTimeout: CANARY }), failed('unknown_connection'))
  await save()
  assert.throws(() => Client.fromConnection('acme', { clientSecret: CANARY }), failed('invalid_option'))
  const callback = { credentialsCallback: () => undefined }
  assert.throws(() => Client.fromConnection('acme', callback), failed('invalid_option'))
  const counters = await emulator.control('counters')
  assert.equal(counters.token_requests, 1)
})

test('a caller that gives up does not end the login', async () => {
  await emulator.control('fault', { endpoint: 'token', kind: 'hold', first: 1 })
  const controller = new AbortController()
  const saving = new Connections().authorize('acme', values(), { signal: controller.signal })
  await emulator.control('wait_requests', { endpoint: 'token', count: 1 })
  controller.abort(new Error('enough'))
  await assert.rejects(saving, /enough/)
  await emulator.control('release')
  await emulator.control('wait_requests', { endpoint: 'limits', count: 1 })
})

test('events of the login go to its listener', async () => {
  const told = []
  await save('acme', { onEvent: ({ name }) => told.push(name) })
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(told, ['login_started', 'login_succeeded'])
})

test('a connection of a database', async () => {
  const acme = await Connection.authorize('tenant-42', values({ name: 'Acme' }))
  assert.deepEqual([acme.id, acme.name, acme.revision], ['tenant-42', 'Acme', 0])
  await assert.rejects(stat(folder), { code: 'ENOENT' })
  const text = acme.dump({ key: KEY })
  assert(!text.includes(emulator.org.clientSecret))
  const loaded = Connection.load(text, 'tenant-42', { key: `${OTHER_KEY},${KEY}` })
  assert.deepStrictEqual(loaded, acme)
  assert.equal((await Client.fromConnection(loaded, network()).token()).orgId, emulator.org.orgId)
  const folderBeside = { connections: new Connections(), ...network() }
  assert.throws(() => Client.fromConnection(loaded, folderBeside), TypeError)
  for (const [wrong, id, key] of [
    [text, 'tenant-43', KEY],
    [text, 'tenant-42', OTHER_KEY],
    [text, 'tenant-42', undefined],
    [text.slice(9), 'tenant-42', KEY],
    [CANARY, 'tenant-42', KEY],
  ]) {
    assert.throws(() => Connection.load(wrong, id, { key }), failed('connection_unreadable'))
  }
  assert.throws(() => acme.dump(), failed('invalid_option'))
  assert.throws(() => acme.dump({ key: KEY, plain: true }), failed('invalid_option'))
  assert.throws(() => acme.dump({ key: 7 }), failed('invalid_option'))
  assert.throws(() => acme.dump({ plain: 'yes' }), failed('invalid_option'))
  assert.deepStrictEqual(Connection.load(acme.dump({ plain: true }), 'tenant-42'), acme)
  process.env.FORCEGRANT_CONNECTIONS_KEY = KEY
  assert.deepStrictEqual(Connection.load(acme.dump(), 'tenant-42', { key: KEY }), acme)
  const refused = Connection.authorize('tenant-42', values({ clientSecret: CANARY }))
  await assert.rejects(refused, failed('invalid_client_secret', 'clientSecret'))
})

test('the key of the environment seals what lies in the folder', async () => {
  await save()
  assert((await fileOf('acme')).includes(emulator.org.clientSecret))
  await assert.rejects(new Connections().reseal('acme'), failed('invalid_option'))
  process.env.FORCEGRANT_CONNECTIONS_KEY = KEY
  assert.equal((await new Connections().reseal('acme')).revision, 2)
  assert(!(await fileOf('acme')).includes(emulator.org.clientSecret))
  await Client.fromConnection('acme', network()).token()
  process.env.FORCEGRANT_CONNECTIONS_KEY = OTHER_KEY
  assert.throws(() => Client.fromConnection('acme', network()), failed('connection_unreadable'))
})

test('a pool over the connections of a folder', async () => {
  await save()
  const { loginUrl, clientId, clientSecret } = await sandbox()
  await save('acme-uat', { loginUrl, clientId, clientSecret })
  const pool = new ClientPool({ connections: new Connections(), ...network() })
  assert.equal((await pool.token('acme')).orgId, emulator.org.orgId)
  assert.notEqual((await pool.token('acme-uat')).orgId, emulator.org.orgId)
  await assert.rejects(pool.token('acne'), failed('unknown_connection'))
  assert.equal(pool.size, 2)
  const both = { connections: new Connections(), credentialsCallback: () => undefined }
  assert.throws(() => new ClientPool(both), failed('invalid_option'))
})

test('a callback over rows', async () => {
  const connection = await Connection.authorize('tenant-42', values())
  const rows = new Map([['tenant-42', connection.dump({ key: KEY })]])
  const asked = []
  const credentialsCallback = async (id) => {
    asked.push(id)
    const row = rows.get(id)
    return row === undefined ? undefined : Connection.load(row, id, { key: KEY })
  }
  const pool = new ClientPool({ credentialsCallback, ...network() })
  assert.equal((await pool.token('tenant-42')).orgId, emulator.org.orgId)
  for (const _ of [1, 2]) {
    await assert.rejects(pool.token('tenant-43'), (error) => {
      assert.equal(error.retryable, false)
      return failed('unknown_key')(error)
    })
  }
  assert.deepEqual(asked, ['tenant-42', 'tenant-43'])
  const wrong = new ClientPool({ credentialsCallback: () => 'x', ...network() })
  await assert.rejects(wrong.token('a'), failed('credentials_unavailable'))
})

test('a worker has the folder and the keys of its own environment', async () => {
  await save()
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.module).then(async ({ Client, Connections }) => {
      const token = await Client.fromConnection('acme', workerData.options).token()
      parentPort.postMessage({ orgId: token.orgId, folder: new Connections().folder })
    }).catch(({ code, message }) => parentPort.postMessage({ code, message }))`
  const inWorker = (environment) =>
    new Promise((resolve, reject) => {
      const workerData = { module: import.meta.resolve('forcegrant'), options: network() }
      const worker = new Worker(code, { eval: true, env: environment, workerData })
      worker.once('message', resolve)
      worker.once('error', reject)
    })
  const there = await inWorker({ FORCEGRANT_CONNECTIONS: folder })
  assert.deepEqual(there, { orgId: emulator.org.orgId, folder })
  const elsewhere = await inWorker({ FORCEGRANT_CONNECTIONS: join(home, 'other') })
  assert.equal(elsewhere.code, 'unknown_connection')
})

test('the steps of the set-up are data', async () => {
  const steps = setupSteps()
  assert.equal(steps.length, 6)
  for (const { name, title, path, text } of steps) {
    assert.match(name, /^[a-z-]+$/)
    assert(title.length > 5 && path.length > 5 && text.length > 20)
  }
  await emulator.control('configure', { app: { run_as: null } })
  const error = await save().catch((error) => error)
  assert(steps.some(({ name }) => name === error.setupStep))
})
