// AbortSignal ends the wait of one caller and nothing else.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, beforeEach, test } from 'node:test'
import { Client } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'

let emulator

before(async () => {
  emulator = await startEmulator()
})
beforeEach(() => emulator.control('reset'))
after(() => emulator?.close())

const listeners = (signal) => getEventListeners(signal, 'abort').length
const hold = () => emulator.control('fault', { endpoint: 'token', kind: 'hold' })
const arrived = (count) => emulator.control('wait_requests', { endpoint: 'token', count })
const requests = async () => (await emulator.control('counters')).token_requests

test('aborted before: rejects with the very reason, and asks for nothing', async () => {
  const client = new Client(emulator.clientOptions())
  const reason = { why: 'changed my mind' }
  const signal = AbortSignal.abort(reason)
  for (const call of [client.token({ signal }), client.verify({ signal }), client.waitIdle({ signal })]) {
    await assert.rejects(call, (thrown) => thrown === reason)
  }
  assert.equal(listeners(signal), 0)
  assert.equal(client.status().inFlight, false)
  assert.equal(await requests(), 0)
})

test('aborted before: rejects even when a token is cached', async () => {
  const client = new Client(emulator.clientOptions())
  await client.token()
  await assert.rejects(client.token({ signal: AbortSignal.abort() }), { name: 'AbortError' })
})

test('aborted while waiting: this caller rejects at once, the others get the one token', async () => {
  await hold()
  const client = new Client(emulator.clientOptions())
  const controller = new AbortController()
  const patient = new AbortController()
  const others = [client.token(), client.token({ signal: patient.signal }), client.token()]
  const quitter = client.token({ signal: controller.signal })
  await arrived(1)
  assert.equal(listeners(controller.signal), 1)

  controller.abort(new Error('enough'))
  await assert.rejects(quitter, { message: 'enough' })
  assert.equal(listeners(controller.signal), 0)

  await emulator.control('release')
  const tokens = await Promise.all(others)
  assert.equal(new Set(tokens).size, 1)
  assert.equal(listeners(patient.signal), 0)
  assert.equal(await requests(), 1)
})

test('all callers give up: the request goes on, and who comes later shares it', async () => {
  await hold()
  const client = new Client(emulator.clientOptions())
  const controller = new AbortController()
  const { signal } = controller
  const calls = Array.from({ length: 5 }, () => client.token({ signal }))
  await arrived(1)
  controller.abort()
  for (const call of calls) await assert.rejects(call, { name: 'AbortError' })
  assert.equal(listeners(signal), 0)
  assert.equal(client.status().inFlight, true)

  const late = client.token()
  await emulator.control('release')
  assert.equal((await late).orgId, emulator.org.orgId)
  assert.equal(await requests(), 1)
})

test('a signal that is never aborted is left without a listener, by success and by failure', async () => {
  const { signal } = new AbortController()
  await new Client(emulator.clientOptions()).token({ signal })
  assert.equal(listeners(signal), 0)
  const wrong = new Client(emulator.clientOptions({ clientSecret: 'wrong' }))
  await assert.rejects(wrong.token({ signal }), { code: 'invalid_client_secret' })
  assert.equal(listeners(signal), 0)
})

test('verify and waitIdle are given up in the same way', async () => {
  await hold()
  const client = new Client(emulator.clientOptions())
  const controller = new AbortController()
  const { signal } = controller
  const verification = client.verify({ signal })
  await arrived(1)
  const idle = client.waitIdle({ signal })
  controller.abort()
  await assert.rejects(verification, { name: 'AbortError' })
  await assert.rejects(idle, { name: 'AbortError' })
  assert.equal(listeners(signal), 0)
  await emulator.control('release')
  await client.waitIdle()
})

test('a time-out is a signal like any other', async () => {
  await hold()
  const client = new Client(emulator.clientOptions())
  await assert.rejects(client.token({ signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })
  await emulator.control('release')
  await client.waitIdle()
})
