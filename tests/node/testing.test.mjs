// forcegrant/testing: the emulator in a process of its own.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { EmulatorError, startEmulator } from 'forcegrant/testing'
import { assertClean, runFixture } from './support/child.mjs'

test('announces its addresses and its default org', async () => {
  await using(async (emulator) => {
    for (const address of [emulator.https, emulator.http]) assert.match(address, /^127\.0\.0\.1:\d+$/)
    assert.match(emulator.proxy, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.match(emulator.caPem, /^-----BEGIN CERTIFICATE-----/)
    assert.match(emulator.org.orgId, /^00D\w{15}$/)
    assert.match(emulator.org.userId, /^005\w{15}$/)
    assert.equal(emulator.org.instanceUrl, `https://${emulator.org.myDomain}`)
  })
})

test('takes control requests, and says why it refuses one', async () => {
  await using(async (emulator) => {
    assert.equal((await emulator.control('counters')).token_requests, 0)
    await assert.rejects(emulator.control('advance', { seconds: 'long' }), EmulatorError)
    await assert.rejects(emulator.control('no_such_thing'), /no_such_thing/)
  })
})

test('starts with the orgs that it is given', async () => {
  const config = { orgs: [{ my_domain: 'other.my.salesforce.com' }] }
  const emulator = await startEmulator({ config })
  try {
    await emulator.control('now')
    const { requests } = await emulator.control('requests')
    assert.deepEqual(requests, [])
    await assert.rejects(
      emulator.control('configure', { my_domain: emulator.org.myDomain, org: {} }),
      EmulatorError,
    )
    await emulator.control('configure', { my_domain: 'other.my.salesforce.com', org: {} })
  } finally {
    await emulator.close()
  }
})

test('options given to clientOptions win', async () => {
  await using(async (emulator) => {
    const options = emulator.clientOptions({
      clientId: 'mine',
      resolve: { 'a.my.salesforce.com': '127.0.0.1:1' },
    })
    assert.equal(options.clientId, 'mine')
    assert.equal(options.clientSecret, emulator.org.clientSecret)
    assert.deepEqual(options.resolve, {
      [emulator.org.myDomain]: emulator.https,
      'a.my.salesforce.com': '127.0.0.1:1',
    })
  })
})

test('is gone when close resolves, and closing twice is no harm', async () => {
  const emulator = await startEmulator()
  await emulator.close()
  await emulator.close()
  await assert.rejects(emulator.control('now'), { code: 'ECONNREFUSED' })
})

test('Symbol.asyncDispose closes it', async () => {
  const emulator = await startEmulator()
  await emulator[Symbol.asyncDispose]()
  await assert.rejects(emulator.control('now'), { code: 'ECONNREFUSED' })
})

const elsewhere = process.platform !== 'linux' && 'looks at processes through /proc'
test('an emulator that is never closed neither keeps its process alive nor outlives it', {
  skip: elsewhere,
}, async () => {
  const run = await runFixture('forgotten-emulator.mjs')
  assertClean(run)
  const { pid } = JSON.parse(run.stdout)
  const deadline = Date.now() + 5000
  // Its standard input has ended, so it is ending or has ended.
  while (alive(pid) && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(alive(pid), false)
})

test('a program that is not there, or is something else, is an error that names it', async () => {
  await assert.rejects(startEmulator({ binary: '/no/such/program' }), /no\/such\/program does not start/)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
  try {
    const binary = path.join(folder, 'not-an-emulator')
    writeFileSync(binary, '#!/bin/sh\necho hello\n', { mode: 0o755 })
    await assert.rejects(startEmulator({ binary }), /announced itself with something else than JSON: hello/)
    writeFileSync(binary, '#!/bin/sh\necho broken >&2\nexit 3\n')
    await assert.rejects(startEmulator({ binary }), /ended with exit code 3 before it was ready: broken/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

async function using(body) {
  const emulator = await startEmulator()
  try {
    await body(emulator)
  } finally {
    await emulator.close()
  }
}

/** A process that has ended may stay in the process table until its new parent reads its status. */
function alive(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1][0] !== 'Z'
  } catch {
    return false
  }
}
