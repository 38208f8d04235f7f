// A client of others against the emulator, which it reaches by the real host name through the emulator's proxy.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startEmulator } from 'forcegrant/testing'
import { runFixture } from './support/child.mjs'

let emulator
let folder

before(async () => {
  emulator = await startEmulator()
  folder = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
})
after(async () => {
  rmSync(folder, { recursive: true })
  await emulator?.close()
})

test('jsforce authorizes with client credentials, then queries', async () => {
  const { org, proxy } = emulator
  const authority = path.join(folder, 'ca.pem')
  writeFileSync(authority, emulator.caPem)
  const run = await runFixture('jsforce.mjs', {
    options: {
      loginUrl: `https://${org.myDomain}`,
      clientId: org.clientId,
      clientSecret: org.clientSecret,
      proxy,
    },
    env: { NODE_EXTRA_CA_CERTS: authority },
  })
  assert.equal(run.code, 0, run.stderr)
  const { accessToken, instanceUrl, orgId, userId, records } = JSON.parse(run.stdout)
  assert.equal(accessToken.length, 112)
  assert.equal(instanceUrl, org.instanceUrl)
  assert.equal(orgId, org.orgId)
  assert.equal(userId, org.userId)
  assert.ok(Array.isArray(records))

  const counters = await emulator.control('counters')
  assert.equal(counters.logins, 1)
  assert.equal(counters.data_rejected, 0)
  assert.ok(counters.data_calls >= 1)
  assert.ok(counters.connects >= 2, 'through the proxy')
})
