// onEvent: a function receives the events of a client.
import assert from 'node:assert/strict'
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { Client, EVENT_CHANNEL, ForcegrantError, RefusedError } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'
import { assertClean, runFixture } from './support/child.mjs'

const require = createRequire(import.meta.url)

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
    timer = setTimeout(reject, 10_000, new Error('no event within 10 s'))
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** A client, its events, and a promise for the first event of a name. */
function listening(options) {
  const seen = []
  const waiting = []
  const onEvent = (event) => {
    seen.push(event)
    for (const { name, resolve } of waiting) if (name === event.name) resolve(event)
  }
  const firstEvent = async (name) => {
    const found = seen.find((event) => event.name === name)
    return found ?? alive(new Promise((resolve) => waiting.push({ name, resolve })))
  }
  return { client: new Client(emulator.clientOptions({ ...options, onEvent })), seen, firstEvent }
}

test('a login emits events from its start to its token', async () => {
  const { client, seen, firstEvent } = listening()
  const token = await client.token()
  const { name: _, took, lifetime, ...rest } = await firstEvent('login_succeeded')
  assert.deepEqual(rest, { fingerprint: token.fingerprint, expiry: token.expiry, attempts: 1 })
  assert.ok(took > 0 && took < 10_000)
  assert.ok(lifetime > 1_790_000 && lifetime <= 1_800_000)
  assert.deepEqual(seen[0], { name: 'login_started', background: false })
  assert.ok(seen.every(Object.isFrozen))
})

test('a retry and a failure carry their errors', async () => {
  const { client, firstEvent } = listening({ retryBackoff: 1 })
  await emulator.control('fault', { endpoint: 'token', kind: '503_html', first: 1 })
  await emulator.control('configure', { app: { run_as: null } })
  await assert.rejects(client.token(), RefusedError)
  const retried = await firstEvent('login_retried')
  assert.ok(retried.error instanceof ForcegrantError)
  assert.deepEqual([retried.error.code, retried.attempts], ['server_unavailable', 1])
  assert.ok(retried.pause >= 0 && retried.pause <= 1)
  const failed = await firstEvent('login_failed')
  assert.ok(failed.error instanceof RefusedError)
  assert.deepEqual([failed.error.code, failed.attempts], ['no_run_as_user', 2])
})

test('an eviction and a wrong signature are reported with the fingerprint', async () => {
  await emulator.control('configure', { app: { signature: 'wrong' } })
  const { client, firstEvent } = listening()
  const { fingerprint } = await client.token()
  assert.deepEqual(await firstEvent('signature_mismatch'), { name: 'signature_mismatch', fingerprint })
  client.invalidate(client.cached())
  const { age, ...rest } = await firstEvent('invalidated')
  assert.deepEqual(rest, { name: 'invalidated', fingerprint })
  assert.ok(age >= 0)
})

test('no event holds the secret or the token', async () => {
  const { client, seen, firstEvent } = listening()
  const { accessToken } = await client.token()
  client.invalidate(accessToken)
  await firstEvent('invalidated')
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

/** Subscribes until `use` is done; the messages, and a promise for the first of a name. */
async function subscribed(use) {
  const messages = []
  const waiting = new Map()
  const subscriber = (message, channel) => {
    messages.push({ message, channel })
    waiting.get(message.event.name)?.(message)
  }
  const firstEvent = (name) => alive(new Promise((resolve) => waiting.set(name, resolve)))
  diagnostics.subscribe(EVENT_CHANNEL, subscriber)
  try {
    await use(firstEvent)
  } finally {
    diagnostics.unsubscribe(EVENT_CHANNEL, subscriber)
  }
  return messages
}

test('the diagnostics channel publishes the events of every client, to late subscribers too', async () => {
  const early = new Client(emulator.clientOptions())
  await early.token()
  const messages = await subscribed(async (firstEvent) => {
    const evicted = firstEvent('invalidated')
    await emulator.control('kill_sessions')
    early.invalidate(early.cached())
    await evicted
    const succeeded = firstEvent('login_succeeded')
    await early.token()
    await succeeded
    const started = firstEvent('login_succeeded')
    await new Client(emulator.clientOptions()).token()
    await started
  })
  assert.deepEqual(
    messages.map(({ message }) => message.event.name),
    ['invalidated', 'login_started', 'login_succeeded', 'login_started', 'login_succeeded'],
  )
  for (const { message, channel } of messages) {
    assert.equal(channel, 'forcegrant:event')
    assert.equal(message.loginHost, emulator.org.myDomain)
    assert.ok(Object.isFrozen(message))
  }
})

test('onEvent and the channel receive the same event, and a subscriber that throws harms neither', async () => {
  const seen = []
  const onEvent = (event) => seen.push(event)
  const thrown = await runFixture('throwing-subscriber.mjs', { options: emulator.clientOptions() })
  assertClean(thrown)
  assert.equal(thrown.stdout, 'a subscriber that throws, on purpose\nlogin_succeeded\n')
  const messages = await subscribed(async (firstEvent) => {
    const succeeded = firstEvent('login_succeeded')
    await new Client(emulator.clientOptions({ onEvent })).token()
    await succeeded
  })
  assert.deepEqual(
    messages.map(({ message }) => message.event),
    seen,
  )
})

test('events come as measurements of the catalogue', async () => {
  const { client, firstEvent } = listening()
  client.invalidate(await client.token())
  const { measurements, took, lifetime } = await firstEvent('login_succeeded')
  assert.deepEqual(measurements, [
    { name: 'forcegrant.logins', kind: 'counter', unit: '{login}', value: 1, attributes: { outcome: 'ok' } },
    {
      name: 'forcegrant.login.duration',
      kind: 'histogram',
      unit: 's',
      value: took / 1000,
      attributes: { outcome: 'ok' },
    },
    {
      name: 'forcegrant.token.lifetime',
      kind: 'histogram',
      unit: 's',
      value: lifetime / 1000,
      attributes: { source: 'default' },
    },
  ])
  assert.ok(Object.isFrozen(measurements) && measurements.every(Object.isFrozen))
  assert.deepEqual((await firstEvent('login_started')).measurements, [])
})

test("docs/metrics.md lists the core's instruments", () => {
  const { native } = require('../../bindings/node/dist/loader.cjs')
  const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
  const rows = text.match(/^\| `forcegrant\..*$/gm).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const expected = native()
    .instruments()
    .map(({ name, kind, unit, attributes, meaning }) => [
      `\`${name}\``,
      kind,
      `\`${unit}\``,
      attributes.join(', '),
      meaning,
    ])
  assert.deepEqual(rows, expected)
})
