// Credentials that change while a client lives.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { Client, ConfigurationError, LoginRateError } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'

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
  assert.equal(client.dropRetired(), false)
  client.setCredentials(second, null)
  assert.equal(client.cached(), token)
  assert.equal(client.dropRetired(), true)
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
