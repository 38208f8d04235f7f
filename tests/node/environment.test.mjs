// The environment is that of JavaScript: each worker has its own, and it can be replaced.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Client, ClientPool } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'

const SANDBOX = 'acme--uat.sandbox.my.salesforce.com'
const { env } = process
let emulator
let tenants

before(async () => {
  emulator = await startEmulator()
})
beforeEach(async () => {
  await emulator.control('reset')
  const { org } = await emulator.control('configure', { my_domain: SANDBOX })
  const { client_id, client_secret } = org.apps[0].keys[0]
  const { myDomain, clientId, clientSecret, orgId } = emulator.org
  tenants = [
    { orgId, variables: variables(myDomain, clientId, clientSecret) },
    { orgId: org.org_id, variables: variables(SANDBOX, client_id, client_secret) },
  ]
})
afterEach(() => {
  process.env = env
})
after(() => emulator?.close())

const variables = (url, id, secret) => ({
  SALESFORCE_LOGIN_URL: url,
  SALESFORCE_CLIENT_ID: id,
  SALESFORCE_CLIENT_SECRET: secret,
})

const credentialsOf = (variables) => ({
  loginUrl: variables.SALESFORCE_LOGIN_URL,
  clientId: variables.SALESFORCE_CLIENT_ID,
  clientSecret: variables.SALESFORCE_CLIENT_SECRET,
})

/** The options to reach both orgs, through the proxy of the environment. */
function network(more) {
  const { roots } = emulator.clientOptions()
  const resolve = { [SANDBOX]: emulator.https, [emulator.org.myDomain]: emulator.https }
  return { roots, resolve, store: 'off', ...more }
}

/** The result of `Client.fromEnv` in a worker with this environment. */
function inWorker(environment) {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.module).then(async ({ Client }) => {
      const { orgId } = await Client.fromEnv(workerData.options).token()
      parentPort.postMessage({ orgId })
    }).catch(({ code, message }) => parentPort.postMessage({ code, message }))`
  const workerData = { module: import.meta.resolve('forcegrant'), options: network() }
  const worker = new Worker(code, { eval: true, env: environment, workerData })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

test('workers of two tenants log in to their own orgs, and the parent to its own', async () => {
  const [production, sandbox] = tenants
  Object.assign(process.env, production.variables)
  try {
    const found = await Promise.all([
      inWorker(sandbox.variables),
      inWorker(production.variables),
      Client.fromEnv(network()).token(),
    ])
    assert.deepEqual(
      found.map(({ orgId }) => orgId),
      [sandbox.orgId, production.orgId, production.orgId],
    )
    // One without variables does not get the parent's.
    assert.equal((await inWorker({})).code, 'missing_credentials')
  } finally {
    for (const name of Object.keys(production.variables)) delete process.env[name]
  }
  assert.throws(() => Client.fromEnv(network()), { code: 'missing_credentials' })
})

test('a proxy of a worker is that of its environment', async () => {
  const [{ variables: given, orgId }] = tenants
  const { proxy } = emulator
  assert.deepEqual(await inWorker({ ...given, HTTPS_PROXY: proxy }), { orgId })
  assert.equal((await emulator.control('counters')).connects, 1)
  process.env = { ...env, HTTPS_PROXY: 'http://127.0.0.1:1' }
  assert.deepEqual(await inWorker(given), { orgId })
  const { code, message } = await inWorker({ ...given, HTTPS_PROXY: 'htp://me:hunter22@x' })
  assert.equal(code, 'invalid_option')
  assert.match(message, /HTTPS_PROXY/)
  assert.doesNotMatch(message, /hunter22/)
})

test('an environment that was replaced counts, and what is not a text in it', async () => {
  const [, sandbox] = tenants
  process.env = { ...env, ...sandbox.variables }
  assert.equal((await Client.fromEnv(network()).token()).orgId, sandbox.orgId)
  process.env = { ...sandbox.variables, SALESFORCE_CLIENT_SECRET: undefined }
  assert.throws(() => Client.fromEnv(network()), /SALESFORCE_CLIENT_SECRET/)
  process.env = { ...sandbox.variables, SALESFORCE_CLIENT_ID: 42 }
  await assert.rejects(Client.fromEnv(network()).token(), { code: 'invalid_client_id' })
})

test('the variables are read when a client is made, its proxy too', async () => {
  const [production, sandbox] = tenants
  process.env = { ...env, ...production.variables, https_proxy: emulator.proxy }
  const client = Client.fromEnv(network())
  process.env = { ...env, ...sandbox.variables, https_proxy: 'http://127.0.0.1:1' }
  assert.equal((await client.token()).orgId, production.orgId)
  assert.equal((await emulator.control('counters')).connects, 1)
})

test('a pool reads the proxy from there too', async () => {
  process.env = { ...env, HTTPS_PROXY: 'foo:bar:baz' }
  assert.throws(() => new ClientPool(network()), /HTTPS_PROXY/)
  process.env = { ...env, HTTPS_PROXY: emulator.proxy }
  const pool = new ClientPool(network())
  const { loginUrl, clientId, clientSecret } = emulator.clientOptions()
  pool.insert('a', { loginUrl, clientId, clientSecret })
  await pool.token('a')
  assert.equal((await emulator.control('counters')).connects, 1)
})

test('certificates that NODE_EXTRA_CA_CERTS names are trusted beside those of the system', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'forcegrant-'))
  const file = join(folder, 'extra.pem')
  await writeFile(file, emulator.caPem)
  const { roots, ...options } = network()
  const [{ variables, orgId }] = tenants
  try {
    process.env = { ...env, ...variables, NODE_EXTRA_CA_CERTS: file }
    assert.equal((await Client.fromEnv(options).token()).orgId, orgId)
    const pool = new ClientPool({ ...options, credentialsCallback: () => credentialsOf(variables) })
    assert.equal((await pool.token('a')).orgId, orgId)
    // As in Node itself, a file that cannot be read is left out.
    process.env = { ...env, ...variables, NODE_EXTRA_CA_CERTS: join(folder, 'no-such.pem') }
    await assert.rejects(Client.fromEnv(options).token(), { code: 'tls_failed' })
    // An option is meant alone.
    process.env = { ...env, ...variables, NODE_EXTRA_CA_CERTS: file }
    await assert.rejects(Client.fromEnv({ ...options, roots: 'bundled' }).token(), { code: 'tls_failed' })
    assert.equal((await Client.fromEnv({ ...options, roots: file }).token()).orgId, orgId)
  } finally {
    await rm(folder, { recursive: true })
  }
})
