// Credentials that change while a client lives.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { Client, ConfigurationError, LoginRateError } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'
import { assertClean, runFixture } from './support/child.mjs'

let emulator
let folder

before(async () => {
  emulator = await startEmulator()
  folder = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
})
beforeEach(() => emulator.control('reset'))
after(async () => {
  rmSync(folder, { recursive: true })
  await emulator?.close()
})

const second = { clientId: '3MVG9.second.example', clientSecret: 'ABCDEF0123456789' }
const addSecond = () =>
  emulator.control('add_key', { client_id: second.clientId, client_secret: second.clientSecret })
const requests = async () => (await emulator.control('counters')).token_requests

test('the next pair is used when the first is refused', async () => {
  await addSecond()
  const client = new Client(emulator.clientOptions({ clientSecret: 'retired', nextCredentials: second }))
  assert.equal((await client.token()).orgId, emulator.org.orgId)
  assert.equal(await requests(), 2)
})

test('credentials set later are used at once, whatever failure is remembered', async () => {
  const client = new Client(emulator.clientOptions({ clientSecret: 'wrong' }))
  await assert.rejects(client.token(), { code: 'invalid_client_secret' })
  const { clientId, clientSecret } = emulator.org
  client.setCredentials({ clientId, clientSecret })
  assert.equal((await client.token()).orgId, emulator.org.orgId)
})

test('a token of a retired pair is dropped when that is asked for', async () => {
  await addSecond()
  const client = new Client(emulator.clientOptions())
  const token = await client.token()
  assert.equal(client.invalidateIfRotated(), false)
  client.setCredentials(second, null)
  assert.equal(client.cached(), token)
  assert.equal(client.invalidateIfRotated(), true)
  assert.equal(client.cached(), undefined)
})

test('credentials of a wrong form are an error, and change nothing', async () => {
  const client = new Client(emulator.clientOptions())
  assert.throws(() => client.setCredentials({ clientId: 'id' }), TypeError)
  assert.throws(() => client.setCredentials({ clientId: '', clientSecret: '' }), ConfigurationError)
  await client.token()
})

test('the secret can be a file', async () => {
  const file = path.join(folder, 'secret')
  writeFileSync(file, `${emulator.org.clientSecret}\n`)
  const options = emulator.clientOptions({ clientSecret: null, clientSecretFile: file })
  assert.equal((await new Client(options).token()).orgId, emulator.org.orgId)
  const missing = { ...options, clientSecretFile: path.join(folder, 'none') }
  assert.throws(() => new Client(missing), { code: 'invalid_option', name: 'ConfigurationError' })
})

test('a login budget stops logins before Salesforce does, and none is unlimited', async () => {
  const clientId = '3MVG9.budget.example'
  await emulator.control('add_key', { client_id: clientId, client_secret: 'ABCDEF' })
  const options = { clientId, clientSecret: 'ABCDEF' }
  const client = new Client(emulator.clientOptions({ ...options, loginBudget: 1 }))
  client.invalidate(await client.token())
  await assert.rejects(
    client.verify(),
    (error) => error instanceof LoginRateError && error.code === 'login_budget_exceeded',
  )
  await new Client(emulator.clientOptions({ ...options, loginBudget: 'none' })).token()
})

test('introspection gives a known end', async () => {
  const token = await new Client(emulator.clientOptions({ introspect: true })).token()
  assert.deepEqual([token.expiry.source, token.expiry.certainty], ['introspection', 'known'])
})

/** Options whose credentials come from `credentialsCallback`. */
const called = (credentialsCallback, options) =>
  emulator.clientOptions({ clientId: null, clientSecret: null, credentialsCallback, ...options })

test('a callback brings the credentials, at once or by a promise, and is asked once', async () => {
  const { clientId, clientSecret } = emulator.org
  for (const wrap of [(pair) => pair, async (pair) => pair]) {
    let asked = 0
    const callback = () => {
      asked += 1
      return wrap({ clientId, clientSecret })
    }
    const client = new Client(called(callback))
    assert.equal(asked, 0, 'nothing is asked before the first login')
    const tokens = await Promise.all(Array.from({ length: 100 }, () => client.token()))
    assert.equal(new Set(tokens).size, 1)
    client.invalidate(tokens[0])
    await client.verify()
    assert.equal(asked, 1)
  }
})

test('a refusal asks the callback again, and its second pair is tried', async () => {
  await addSecond()
  const retired = { clientId: emulator.org.clientId, clientSecret: 'retired' }
  const vault = [retired, { ...retired, next: second }]
  let asked = 0
  const client = new Client(called(() => vault[Math.min(asked++, 1)]))
  assert.equal((await client.token()).orgId, emulator.org.orgId)
  assert.equal(asked, 2)
  assert.equal(await requests(), 2)
})

test('what the callback throws is the cause of the failure', async () => {
  const vault = new Error('the vault is sealed', { cause: new TypeError('no key') })
  const callbacks = [
    () => {
      throw vault
    },
    () => Promise.reject(vault),
  ]
  for (const callback of callbacks) {
    const failed = await new Client(called(callback)).token().catch((error) => error)
    assert.ok(failed instanceof ConfigurationError)
    assert.equal(failed.code, 'credentials_unavailable')
    assert.equal(failed.cause.message, 'Error: the vault is sealed')
    assert.equal(failed.cause.cause.message, 'TypeError: no key')
  }
  assert.equal(await requests(), 0)
})

test('a result of a wrong form is a failure that does not show it', async () => {
  const secret = 'a-secret-in-the-wrong-place'
  for (const result of [
    undefined,
    { clientId: secret },
    secret,
    { ...second, next: { clientSecret: secret } },
  ]) {
    const failed = await new Client(called(() => result)).token().catch((error) => error)
    assert.equal(failed.code, 'credentials_unavailable')
    assert.match(
      failed.cause.message,
      /^TypeError: the callback must return \{ clientId, clientSecret, next\? \}$/,
    )
    assert.ok(!inspect(failed, { depth: 9 }).includes(secret))
  }
  const thrown = await new Client(called(() => Promise.reject({ secret }))).token().catch((error) => error)
  assert.equal(thrown.code, 'credentials_unavailable')
  assert.ok(!inspect(thrown, { depth: 9 }).includes(secret))
})

test('a callback that never returns is bounded by totalTimeout', async () => {
  const client = new Client(called(() => new Promise(() => {}), { totalTimeout: 100 }))
  await assert.rejects(client.token(), { code: 'credentials_unavailable' })
})

test('a callback stands alone', () => {
  const credentialsCallback = () => second
  const { loginUrl, resolve } = emulator.clientOptions()
  for (const beside of [
    { clientId: 'id' },
    { clientSecret: 'secret' },
    { clientSecretFile: 'file' },
    { nextCredentials: second },
  ]) {
    assert.throws(() => new Client({ loginUrl, resolve, credentialsCallback, ...beside }), {
      code: 'invalid_option',
    })
  }
  assert.throws(() => Client.fromEnv({ credentialsCallback }), { code: 'invalid_option' })
  assert.throws(() => new Client({ loginUrl, credentialsCallback: 'name' }), { code: 'invalid_option' })
})

test('a callback keeps no process alive, and a call that waits for it does', async () => {
  const { clientId: _, clientSecret: __, ...options } = emulator.clientOptions()
  const { clientId, clientSecret } = emulator.org
  const run = await runFixture('credentials-then-end.mjs', {
    options: { ...options, pair: { clientId, clientSecret } },
  })
  assertClean(run)
  assert.equal(run.stdout, 'asked\n112\n')
  // Only the promise of the caller is left: the process does not wait for that of the callback.
  const given = await runFixture('credentials-then-end.mjs', { options: { ...options, pair: null } })
  assertClean(given)
  assert.equal(given.stdout, 'asked\ngiven up\n')
})
