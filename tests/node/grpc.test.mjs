// forcegrant/grpc: call credentials and an interceptor, with grpc-js on both sides of a TLS connection.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import grpc from '@grpc/grpc-js'
import { Client } from 'forcegrant'
import { callCredentials, interceptor } from 'forcegrant/grpc'
import { startEmulator } from 'forcegrant/testing'

const file = (name) => readFileSync(path.join(import.meta.dirname, 'fixtures', name))
// For this test alone: a key that is public.
const [key, cert] = [file('grpc-test-key.pem'), file('grpc-test-cert.pem')]
const method = (name, requestStream, responseStream) => ({
  path: `/test.PubSub/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (value) => Buffer.from(value),
  requestDeserialize: String,
  responseSerialize: (value) => Buffer.from(value),
  responseDeserialize: String,
})
const service = {
  unary: method('Unary', false, false),
  stream: method('Stream', false, true),
  publish: method('Publish', true, false),
}
const Stub = grpc.makeClientConstructor(service, 'PubSub')

let emulator
let server
let port
/** What each call brought, and the tokens that are dead; `refuse`: every one is. */
let seen
let dead
let refuse
let hold
let client

function isRefused(metadata) {
  const brought = Object.fromEntries(
    ['accesstoken', 'instanceurl', 'tenantid'].map((name) => [name, metadata.get(name)[0]]),
  )
  seen.push(brought)
  return refuse || dead.has(brought.accesstoken)
}
const unauthenticated = { code: grpc.status.UNAUTHENTICATED, details: 'the session is dead' }

before(async () => {
  emulator = await startEmulator()
  server = new grpc.Server()
  server.addService(service, {
    unary(call, callback) {
      if (hold) hold(call)
      else if (isRefused(call.metadata)) callback(unauthenticated)
      else callback(null, `answer to ${call.request}`)
    },
    stream(call) {
      if (isRefused(call.metadata)) return call.emit('error', unauthenticated)
      for (const one of ['a', 'b', 'c']) call.write(one)
      call.end()
    },
    publish(call, callback) {
      if (isRefused(call.metadata)) return callback(unauthenticated)
      let text = ''
      call.on('data', (one) => {
        text += one
      })
      call.on('end', () => callback(null, text))
    },
  })
  const secure = grpc.ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }])
  port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', secure, (error, bound) => (error ? reject(error) : resolve(bound))),
  )
})
beforeEach(async () => {
  await emulator.control('reset')
  seen = []
  dead = new Set()
  refuse = false
  hold = undefined
  client = new Client(emulator.clientOptions({ trustedHosts: ['localhost'] }))
})
after(async () => {
  server?.forceShutdown()
  await emulator?.close()
})

async function calling(options, use) {
  const { call, ...others } = options
  const secure = grpc.credentials.createSsl(cert)
  const channel = call ? grpc.credentials.combineChannelCredentials(secure, call) : secure
  const stub = new Stub(`localhost:${port}`, channel, others)
  try {
    return await use(stub)
  } finally {
    stub.close()
  }
}
const unary = (stub, text = 'one') =>
  new Promise((resolve, reject) =>
    stub.unary(text, (error, answer) => (error ? reject(error) : resolve(answer))),
  )
const logins = async () => (await emulator.control('counters')).token_requests

/** The session ends, for the emulator and for the server here. */
async function kill() {
  dead.add((await client.token()).accessToken)
  await emulator.control('kill_sessions')
}

test('call credentials bring token, instance and org', async () => {
  assert.equal(await calling({ call: callCredentials(client) }, unary), 'answer to one')
  const { accessToken, instanceUrl, orgId } = await client.token()
  assert.deepEqual(seen, [{ accesstoken: accessToken, instanceurl: instanceUrl, tenantid: orgId }])
})

test('a host that is not trusted gets none', async () => {
  client = new Client(emulator.clientOptions())
  for (const options of [{ call: callCredentials(client) }, { interceptors: [interceptor(client)] }]) {
    await assert.rejects(calling(options, unary), /no token goes to localhost/)
  }
  assert.equal(seen.length, 0)
})

test('a unary call that meets a dead session is made once more', async () => {
  await kill()
  assert.equal(await calling({ interceptors: [interceptor(client)] }, unary), 'answer to one')
  assert.equal(seen.length, 2)
  assert.notEqual(seen[0].accesstoken, seen[1].accesstoken)
  assert.equal(await logins(), 2)
})

test('a hundred calls that meet a dead session cause one login', async () => {
  await kill()
  const answers = await calling({ interceptors: [interceptor(client)] }, (stub) =>
    Promise.all(Array.from({ length: 100 }, (_, at) => unary(stub, String(at)))),
  )
  assert.deepEqual(
    answers,
    Array.from({ length: 100 }, (_, at) => `answer to ${at}`),
  )
  assert.equal(await logins(), 2)
})

test('when the instance moved, the repeated call names the new one', async () => {
  await kill()
  await emulator.control('move_instance', { instance_url: 'https://acme-one.my.salesforce.com' })
  await calling({ interceptors: [interceptor(client)] }, unary)
  assert.deepEqual(
    seen.map(({ instanceurl }) => instanceurl),
    [emulator.org.instanceUrl, 'https://acme-one.my.salesforce.com'],
  )
})

test('a call that streams is not repeated; the next one has a new token', async () => {
  await kill()
  await calling({ interceptors: [interceptor(client)] }, async (stub) => {
    const first = stub.stream('x')
    await assert.rejects(first.toArray(), { code: grpc.status.UNAUTHENTICATED })
    assert.deepEqual(await stub.stream('x').toArray(), ['a', 'b', 'c'])
    await kill()
    const publish = () =>
      new Promise((resolve, reject) => {
        const call = stub.publish((error, answer) => (error ? reject(error) : resolve(answer)))
        call.write('a')
        call.end('b')
      })
    await assert.rejects(publish(), { code: grpc.status.UNAUTHENTICATED })
    assert.equal(await publish(), 'ab')
  })
  assert.equal(seen.length, 4)
  assert.equal(await logins(), 3)
})

test('the same token again, and a fresh one that is refused, end in an error', async () => {
  refuse = true
  await calling({ interceptors: [interceptor(client)] }, async (stub) => {
    await assert.rejects(unary(stub), /very token that was reported as rejected/)
    assert.equal(seen.length, 1)
    client.reset()
    await emulator.control('configure', { app: { distinct_tokens: true } })
    await assert.rejects(unary(stub), { code: grpc.status.UNAUTHENTICATED })
    assert.equal(seen.length, 3)
  })
})

test('a cancelled call ends, and takes nothing with it', async () => {
  await calling({ interceptors: [interceptor(client)] }, async (stub) => {
    const cancelled = new Promise((resolve) => {
      const call = stub.unary('one', resolve)
      hold = () => call.cancel()
    })
    assert.equal((await cancelled).code, grpc.status.CANCELLED)
    hold = undefined
    assert.equal(await unary(stub), 'answer to one')
  })
  assert.equal(await logins(), 1)
})
