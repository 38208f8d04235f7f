// forcegrant/grpc: call credentials and an interceptor, with grpc-js on both sides of a TLS connection.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import grpc from '@grpc/grpc-js'
import { Client } from 'forcegrant'
import { callCredentials, interceptor } from 'forcegrant/grpc'
import { callsThrough } from './support/calls.mjs'

const file = (name) => readFileSync(path.join(import.meta.dirname, 'fixtures', name))
// A public key pair for this test only.
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
/** The metadata of each call, and the dead tokens; with `refuse` every token is refused. */
let seen
let dead
let refuse
let hold
let response
let client

function isRefused(metadata) {
  const brought = Object.fromEntries(
    ['accesstoken', 'instanceurl', 'tenantid'].map((name) => [name, metadata.get(name)[0]]),
  )
  seen.push(brought)
  return refuse || dead.has(brought.accesstoken)
}
const unauthenticated = { code: grpc.status.UNAUTHENTICATED, details: 'the session is dead' }

async function serve(world) {
  emulator = world.emulator
  await start()
}

async function start() {
  server = new grpc.Server()
  server.addService(service, {
    unary(call, callback) {
      if (hold) hold(call)
      else if (isRefused(call.metadata)) callback(unauthenticated)
      else if (response) callback(response)
      else callback(null, `response to ${call.request}`)
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
}

function reset() {
  seen = []
  dead = new Set()
  refuse = false
  hold = response = undefined
  client = new Client(emulator.clientOptions({ trustedHosts: ['localhost'] }))
}

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
    stub.unary(text, (error, response) => (error ? reject(error) : resolve(response))),
  )
const logins = async () => (await emulator.control('counters')).token_requests

/** Ends the session in the emulator and in the server here. */
async function kill() {
  dead.add((await client.token()).accessToken)
  await emulator.control('kill_sessions')
}

const NO_HTTP = 'gRPC has no such responses'
const ITS_OWN =
  'grpc-js repeats the responses of a busy service by the retry policy of its service configuration'
const NO_SIGNAL = 'a call of grpc-js is cancelled by itself, and takes no signal'
callsThrough('gRPC', {
  before: serve,
  reset,
  after: () => server.forceShutdown(),
  own: {
    async 'a call carries the token, and the usage is remembered'() {
      assert.equal(await calling({ call: callCredentials(client) }, unary), 'response to one')
      const { accessToken, instanceUrl, orgId } = await client.token()
      assert.deepEqual(seen, [{ accesstoken: accessToken, instanceurl: instanceUrl, tenantid: orgId }])
    },
    async 'another origin sees no token, by a redirect or asked at once'() {
      client = new Client(emulator.clientOptions())
      for (const options of [{ call: callCredentials(client) }, { interceptors: [interceptor(client)] }]) {
        await assert.rejects(calling(options, unary), /no token goes to localhost/)
      }
      // A call that claims to go to a trusted host.
      client = new Client(emulator.clientOptions({ trustedHosts: ['trusted.example'] }))
      const disguised = (stub) =>
        new Promise((resolve, reject) =>
          stub.unary('one', { host: 'trusted.example' }, (error, response) =>
            error ? reject(error) : resolve(response),
          ),
        )
      await assert.rejects(calling({ interceptors: [interceptor(client)] }, disguised), /call option `host`/)
      assert.equal(seen.length, 0)
    },
    async 'a dead session is renewed once, and the call repeated with its body'() {
      await kill()
      assert.equal(await calling({ interceptors: [interceptor(client)] }, unary), 'response to one')
      assert.equal(seen.length, 2)
      assert.notEqual(seen[0].accesstoken, seen[1].accesstoken)
      assert.equal(await logins(), 2)
    },
    async 'a hundred calls that meet a dead session cause one login'() {
      await kill()
      const responses = await calling({ interceptors: [interceptor(client)] }, (stub) =>
        Promise.all(Array.from({ length: 100 }, (_, at) => unary(stub, String(at)))),
      )
      assert.deepEqual(
        responses,
        Array.from({ length: 100 }, (_, at) => `response to ${at}`),
      )
      assert.equal(await logins(), 2)
    },
    async 'when the instance moved, the repeated call goes to the new one'() {
      await kill()
      await emulator.control('move_instance', { instance_url: 'https://acme-one.my.salesforce.com' })
      await calling({ interceptors: [interceptor(client)] }, unary)
      assert.deepEqual(
        seen.map(({ instanceurl }) => instanceurl),
        [emulator.org.instanceUrl, 'https://acme-one.my.salesforce.com'],
      )
    },
    async 'a body that is gone is not sent again: an error says so'() {
      await kill()
      await calling({ interceptors: [interceptor(client)] }, async (stub) => {
        const first = stub.stream('x')
        await assert.rejects(first.toArray(), { code: grpc.status.UNAUTHENTICATED })
        assert.deepEqual(await stub.stream('x').toArray(), ['a', 'b', 'c'])
        await kill()
        const publish = () =>
          new Promise((resolve, reject) => {
            const call = stub.publish((error, response) => (error ? reject(error) : resolve(response)))
            call.write('a')
            call.end('b')
          })
        await assert.rejects(publish(), { code: grpc.status.UNAUTHENTICATED })
        assert.equal(await publish(), 'ab')
      })
      assert.equal(seen.length, 4)
      assert.equal(await logins(), 3)
    },
    async 'a cancelled call ends, and takes nothing with it'() {
      await calling({ interceptors: [interceptor(client)] }, async (stub) => {
        const cancelled = new Promise((resolve) => {
          const call = stub.unary('one', resolve)
          hold = () => call.cancel()
        })
        assert.equal((await cancelled).code, grpc.status.CANCELLED)
        hold = undefined
        assert.equal(await unary(stub), 'response to one')
      })
      assert.equal(await logins(), 1)
    },
    async 'the same token again ends in an error, not in a loop'() {
      refuse = true
      await calling({ interceptors: [interceptor(client)] }, async (stub) => {
        await assert.rejects(unary(stub), /very token that was reported as rejected/)
      })
      assert.equal(seen.length, 1)
      assert.equal(client.status().lastError.code, 'same_token_returned')
      assert.equal(await logins(), 2)
    },
    async 'a fresh token that is refused too ends in an error, not in a loop'() {
      refuse = true
      await emulator.control('configure', { app: { distinct_tokens: true } })
      await calling({ interceptors: [interceptor(client)] }, async (stub) => {
        await assert.rejects(unary(stub), { code: grpc.status.UNAUTHENTICATED })
      })
      assert.equal(seen.length, 2)
      assert.equal(await logins(), 2)
    },
    async 'a 403 is never repeated, although it reports a dead session'() {
      response = { code: grpc.status.PERMISSION_DENIED, details: 'no' }
      await calling({ interceptors: [interceptor(client)] }, async (stub) => {
        await assert.rejects(unary(stub), { code: grpc.status.PERMISSION_DENIED })
      })
      assert.equal(seen.length, 1)
      assert.equal(client.status().state, 'fresh')
    },
    async 'what a new token does not cure is handed out at once'() {
      await calling({ interceptors: [interceptor(client)] }, async (stub) => {
        for (const code of [grpc.status.UNAVAILABLE, grpc.status.RESOURCE_EXHAUSTED, grpc.status.INTERNAL]) {
          response = { code, details: 'no' }
          await assert.rejects(unary(stub), { code })
        }
      })
      assert.equal(seen.length, 3)
      assert.equal(await logins(), 1)
    },
    async 'a connection that is lost is an error of its own, and no response class'() {
      hold = () => server.forceShutdown()
      await calling({ interceptors: [interceptor(client)] }, async (stub) => {
        const { code } = await unary(stub).catch((error) => error)
        assert.ok([grpc.status.CANCELLED, grpc.status.UNAVAILABLE].includes(code), String(code))
      })
      await start()
      assert.equal(client.status().state, 'fresh')
      assert.equal(await logins(), 1)
    },
    async 'a call that is cancelled while it waits for the token leaves the login to others'() {
      await emulator.control('fault', { endpoint: 'token', kind: 'hold', first: 1 })
      const other = client.token()
      await calling({ interceptors: [interceptor(client)] }, async (stub) => {
        const cancelled = new Promise((resolve) => {
          const call = stub.unary('one', resolve)
          emulator.control('wait_requests', { endpoint: 'token', count: 1 }).then(() => call.cancel())
        })
        assert.equal((await cancelled).code, grpc.status.CANCELLED)
      })
      await emulator.control('release')
      assert.equal((await other).orgId, emulator.org.orgId)
      assert.equal(seen.length, 0)
      assert.equal(await logins(), 1)
    },
    async 'a call that is cancelled while its session is renewed leaves the login to others'() {
      await kill()
      await emulator.control('fault', { endpoint: 'token', kind: 'hold', first: 1 })
      await calling({ interceptors: [interceptor(client)] }, async (stub) => {
        const cancelled = new Promise((resolve) => {
          const call = stub.unary('one', resolve)
          emulator.control('wait_requests', { endpoint: 'token', count: 2 }).then(() => call.cancel())
        })
        const other = unary(stub, 'other')
        assert.equal((await cancelled).code, grpc.status.CANCELLED)
        await emulator.control('release')
        assert.equal(await other, 'response to other')
      })
      assert.equal(await logins(), 2)
    },
  },
  lacks: {
    'a hundred calls whose fresh token is refused too end in errors': 'as the one',
    'a long response is complete after its beginning was read': NO_HTTP,
    'a slow response is classified after it is complete': NO_HTTP,
    'a refusal that breaks off is judged by what came of it': NO_HTTP,
    'a successful response that ends early is an error of its own, without a response class': NO_HTTP,
    'a call that is served leaves no listener behind': NO_SIGNAL,
    'a busy service is not asked again, without the option': ITS_OWN,
    'a busy service is asked again, as often as the option says': ITS_OWN,
    'only what may be repeated by its method and its body is': ITS_OWN,
    'Retry-After is waited for, up to its cap': ITS_OWN,
    'a call that waits for a busy service can be renewed too': ITS_OWN,
    'a call that is cancelled while it waits for a busy service ends at once': ITS_OWN,
    "a caller's own Authorization header is sent as it is, and nothing is renewed": NO_HTTP,
  },
})
