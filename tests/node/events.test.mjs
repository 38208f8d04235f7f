// onEvent: what happens in a client, told to a function.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { Client, ForcegrantError, RefusedError } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'

let emulator

before(async () => {
  emulator = await startEmulator()
})
beforeEach(() => emulator.control('reset'))
after(() => emulator?.close())

/** Waits with the process kept alive, which a listener does not do. */
async function alive(promise) {
  let timer
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(reject, 10_000, new Error('nothing was told within 10 s'))
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** A client, what it told, and a promise for the first event of a name. */
function listening(options) {
  const seen = []
  const waiting = []
  const onEvent = (event) => {
    seen.push(event)
    for (const { name, resolve } of waiting) if (name === event.name) resolve(event)
  }
  const told = async (name) => {
    const found = seen.find((event) => event.name === name)
    return found ?? alive(new Promise((resolve) => waiting.push({ name, resolve })))
  }
  return { client: new Client(emulator.clientOptions({ ...options, onEvent })), seen, told }
}

test('a login is told from its start to its token', async () => {
  const { client, seen, told } = listening()
  const token = await client.token()
  const { name: _, took, ...rest } = await told('mint_succeeded')
  assert.deepEqual(rest, { fingerprint: token.fingerprint, expiry: token.expiry, attempts: 1 })
  assert.ok(took > 0 && took < 10_000)
  assert.deepEqual(seen[0], { name: 'mint_started', background: false })
  assert.ok(seen.every(Object.isFrozen))
})

test('a retry and a failure carry their errors', async () => {
  const { client, told } = listening({ retryBackoff: 1 })
  await emulator.control('fault', { endpoint: 'token', kind: '503_html', first: 1 })
  await emulator.control('configure', { app: { run_as: null } })
  await assert.rejects(client.token(), RefusedError)
  const retried = await told('mint_retried')
  assert.ok(retried.error instanceof ForcegrantError)
  assert.deepEqual([retried.error.code, retried.attempts], ['server_unavailable', 1])
  assert.ok(retried.pause >= 0 && retried.pause <= 1)
  const failed = await told('mint_failed')
  assert.ok(failed.error instanceof RefusedError)
  assert.deepEqual([failed.error.code, failed.attempts], ['no_run_as_user', 2])
})

test('an eviction and a wrong signature are told by the fingerprint', async () => {
  await emulator.control('configure', { app: { signature: 'wrong' } })
  const { client, told } = listening()
  const { fingerprint } = await client.token()
  assert.deepEqual(await told('signature_mismatch'), { name: 'signature_mismatch', fingerprint })
  client.invalidate(client.cached())
  const { age, ...rest } = await told('invalidated')
  assert.deepEqual(rest, { name: 'invalidated', fingerprint })
  assert.ok(age >= 0)
})

test('no event holds the secret or the token', async () => {
  const { client, seen, told } = listening()
  const { accessToken } = await client.token()
  client.invalidate(accessToken)
  await told('invalidated')
  const text = inspect(seen, { depth: 9, showHidden: true })
  assert.ok(!text.includes(accessToken.slice(16)))
  assert.ok(!text.includes(emulator.org.clientSecret))
})

test('a listener that throws harms no one: it becomes a warning', async () => {
  const warned = once(process, 'warning')
  const onEvent = () => {
    throw new Error('a listener that throws, on purpose')
  }
  const token = await new Client(emulator.clientOptions({ onEvent })).token()
  assert.equal(token.orgId, emulator.org.orgId)
  const [warning] = await alive(warned)
  assert.equal(warning.message, 'a listener that throws, on purpose')
})
