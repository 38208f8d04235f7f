// forcegrant/jsforce: streaming clients renew their session. The server is faye's own, with the session's rules added.
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import https from 'node:https'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { Client } from 'forcegrant'
import { connect } from 'forcegrant/jsforce'
import { startEmulator } from 'forcegrant/testing'

const require = createRequire(import.meta.url)
// The same faye that jsforce uses for streaming.
const { NodeAdapter } = createRequire(require.resolve('jsforce'))('faye')
const file = (name) => readFileSync(path.join(import.meta.dirname, 'fixtures', name))
const { AuthFailure } = require('jsforce/lib/api/streaming.js').StreamingExtension
const [key, cert] = [file('grpc-test-key.pem'), file('grpc-test-cert.pem')]
const systems = https.globalAgent
const CHANNEL = '/event/Order__e'

let emulator
let bayeux
let server
let client
let connection
/** The tokens that the server refuses, and what it refused: `handshake` and `connect` with their tokens. */
let dead
let refuseAll
let refused
const seen = new EventEmitter()

/** Responds as Salesforce does to a session that has ended. */
const rules = {
  incoming(message, request, pass) {
    const { channel } = message
    // The server publishes through a client of its own, without a request.
    const token = request?.headers.authorization?.replace('OAuth ', '')
    const isDead = refuseAll || token === undefined || dead.has(token)
    if (request && isDead && /^\/meta\/(handshake|connect)$/.test(channel)) {
      message.error = channel === '/meta/handshake' ? '403::Handshake denied' : '401::Authentication invalid'
      refused.push([channel, token])
    }
    pass(message)
  },
  outgoing(message, request, pass) {
    if (request && message.channel === '/meta/handshake') message.supportedConnectionTypes = ['long-polling']
    if (message.error !== undefined) {
      message.ext = { sfdc: { failureReason: '401::Authentication invalid' } }
      message.advice = { reconnect: 'none' }
    }
    pass(message)
  },
}

before(async () => {
  emulator = await startEmulator()
  server = https.createServer({ key, cert })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // faye asks the agent of the process for a connection to the instance.
  const { port } = server.address()
  https.globalAgent = new https.Agent({ keepAlive: true })
  https.globalAgent.createConnection = (wanted, callback) =>
    https.Agent.prototype.createConnection.call(
      https.globalAgent,
      { ...wanted, host: '127.0.0.1', port, servername: 'localhost', ca: cert },
      callback,
    )
})
beforeEach(async () => {
  await emulator.control('reset')
  dead = new Set()
  refuseAll = false
  refused = []
  server.removeAllListeners('request')
  // A short poll, so that a client reconnects soon after its session has ended.
  bayeux = new NodeAdapter({ mount: '/cometd/67.0', timeout: 0.1 })
  bayeux.addExtension(rules)
  bayeux.attach(server)
  bayeux.on('subscribe', (_, channel) => seen.emit('subscribe', channel))
  client = new Client(emulator.clientOptions())
  connection = await connect(client, { version: '67.0' })
})
afterEach(() => bayeux.close())
after(async () => {
  https.globalAgent.destroy()
  https.globalAgent = systems
  server?.closeAllConnections()
  server?.close()
  await emulator?.close()
})

const logins = async () => (await emulator.control('counters')).token_requests

/** Ends the session in the emulator and in the server here. */
async function kill() {
  dead.add((await client.token()).accessToken)
  await emulator.control('kill_sessions')
}

/** Subscribes, and resolves once the server knows of it. */
async function subscribed(faye, listener) {
  const known = once(seen, 'subscribe')
  faye.subscribe(CHANNEL, listener)
  await known
}

async function received(faye, act) {
  const messages = []
  const got = new EventEmitter()
  await subscribed(faye, (message) => {
    messages.push(message)
    got.emit('message')
  })
  await act(async (message) => {
    const arrived = once(got, 'message')
    bayeux.getClient().publish(CHANNEL, message)
    await arrived
  })
  return messages
}

test('streaming: a session that ends while it is subscribed is renewed, and the subscription made again', async () => {
  const faye = connection.streaming.createClient()
  try {
    const messages = await received(faye, async (publish) => {
      await publish({ number: 1 })
      for (const number of [2, 3]) {
        const again = once(seen, 'subscribe')
        await kill()
        await again
        await publish({ number })
      }
    })
    assert.deepEqual(messages, [{ number: 1 }, { number: 2 }, { number: 3 }])
    assert.ok(refused.every(([channel, token]) => channel === '/meta/connect' && token !== undefined))
    assert.equal(await logins(), 3)
  } finally {
    await faye.disconnect()
  }
})

test('streaming: a client begins with the present token, whatever the connection was made with', async () => {
  await kill()
  client.invalidate(connection.accessToken)
  const { streaming } = connection
  const listener = () => {}
  const known = once(seen, 'subscribe')
  streaming.subscribe(CHANNEL, listener)
  await known
  assert.deepEqual(refused, [])
  assert.equal(await logins(), 2)
  await streaming._fayeClients.pushTopic.disconnect()
})

test('streaming: a handshake with a token that has ended is repeated', async () => {
  const faye = connection.streaming.createClient()
  // Otherwise faye waits five seconds after a handshake that failed.
  faye._dispatcher.retry = 0.05
  await kill()
  await subscribed(faye, () => {})
  assert.deepEqual(
    refused.map(([channel]) => channel),
    ['/meta/handshake'],
  )
  assert.equal(await logins(), 2)
  await faye.disconnect()
})

test('streaming: a fresh token that is refused too is reported to extensions, and no other login is made', async () => {
  await emulator.control('configure', { app: { distinct_tokens: true } })
  refuseAll = true
  const failed = new Promise((resolve) => {
    const faye = connection.streaming.createClient([new AuthFailure(resolve)])
    faye._dispatcher.retry = 0.05
    faye.subscribe(CHANNEL, () => {})
  })
  assert.equal((await failed).error, '403::Handshake denied')
  assert.equal(refused.length, 2)
  assert.equal(await logins(), 2)
})

test('streaming: an instance that moved sees no token; a new client goes there', async () => {
  let ended
  const isOver = new Promise((resolve) => {
    ended = resolve
  })
  const incoming = (message, pass) => {
    pass(message)
    if (message.advice?.reconnect === 'none') ended()
  }
  const faye = connection.streaming.createClient([{ incoming }])
  faye._dispatcher.retry = 0.05
  await subscribed(faye, () => {})
  await emulator.control('move_instance', { instance_url: 'https://acme-one.my.salesforce.com' })
  await kill()
  await isOver
  const [[channel], [, token]] = refused
  assert.equal(channel, '/meta/connect')
  assert.equal(token, undefined, 'the old instance is asked without a token')
  const other = connection.streaming.createClient()
  assert.match(other._dispatcher.endpoint.href, /acme-one/)
})
