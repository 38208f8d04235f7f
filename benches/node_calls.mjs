// What a call of an API costs through each adapter of the Node package, beside the bare library with a fixed header.
// Prints one JSON line for each: over many rounds the median of the bare one, and the median of the ratios of ours to the
// bare one beside it, over one pool of TLS connections to the emulator, which runs in a process of its own. (Medians of
// each by itself differ by the machine's other work.) The server of gRPC runs in this one. A second line is for the library
// with an interceptor that does nothing.
//
// Counted is the processor's time of this process, as one thread of JavaScript is what bounds its requests per second.
// Words as arguments choose adapters by name; ROUNDS in the environment makes it longer.
import { readFileSync } from 'node:fs'
import https from 'node:https'
import grpc from '@grpc/grpc-js'
import axios from 'axios'
import { Client } from 'forcegrant'
import { attach } from 'forcegrant/axios'
import { interceptor } from 'forcegrant/grpc'
import { connect } from 'forcegrant/jsforce'
import { startEmulator } from 'forcegrant/testing'
import { forcegrant } from 'forcegrant/undici'
import jsforce from 'jsforce'
import { agentFor, fetchBy, httpsAgentFor } from '../tests/node/support/network.mjs'

const ROUNDS = Number(process.env.ROUNDS ?? 101)
const WANTED = process.argv.slice(2)
const CALLS = 120
const AT_ONCE = 8
const LIMITS = '/services/data/v67.0/limits'
const file = (name) => readFileSync(new URL(`../tests/node/fixtures/${name}`, import.meta.url))

const emulator = await startEmulator()
const agent = agentFor(emulator, { connections: AT_ONCE })
const httpsAgent = httpsAgentFor(emulator)
// jsforce sends by the agent of the process.
https.globalAgent = httpsAgent
const ofAxios = { httpsAgent, proxy: false }
const pubsub = await grpcServer()
try {
  const client = new Client(emulator.clientOptions({ fetch: fetchBy(agent), trustedHosts: ['localhost'] }))
  const { accessToken, authorization, instanceUrl, orgId } = await client.token()
  const headers = { authorization }
  const fields = { accesstoken: accessToken, instanceurl: instanceUrl, tenantid: orgId }
  const withHeaders = (dispatcher) => async () => {
    const { body } = await dispatcher.request({ origin: instanceUrl, path: LIMITS, method: 'GET', headers })
    return body.arrayBuffer()
  }
  const ways = {
    fetch: {
      ours: async () => (await client.fetch(LIMITS)).arrayBuffer(),
      bare: by(
        fetchBy(agent),
        (send) => async () => (await send(instanceUrl + LIMITS, { headers })).arrayBuffer(),
      ),
    },
    undici: {
      ours: by(
        agent.compose(forcegrant(client)),
        (to) => async () => (await to.request({ path: LIMITS, method: 'GET' })).body.arrayBuffer(),
      ),
      bare: by(agent, withHeaders),
      // What any interceptor costs that looks at answers in the form that is documented now.
      empty: by(
        agent.compose((dispatch) => (options, handler) => dispatch(options, handler)),
        withHeaders,
      ),
    },
    axios: {
      ours: by(attached(client), (instance) => () => instance.get(LIMITS)),
      bare: by(axios.create(ofAxios), (instance) => () => instance.get(instanceUrl + LIMITS, { headers })),
      empty: by(intercepted(), (instance) => () => instance.get(instanceUrl + LIMITS, { headers })),
    },
    jsforce: {
      ours: by(await connect(client, { version: '67.0' }), (connection) => () => connection.request(LIMITS)),
      bare: by(
        new jsforce.Connection({ accessToken, instanceUrl, version: '67.0' }),
        (connection) => () => connection.request(LIMITS),
      ),
    },
    gRPC: {
      ours: pubsub.calling({ interceptors: [interceptor(client)] }),
      bare: pubsub.calling({}, fields),
      // What grpc-js asks for credentials, which it sends over TLS only: fixed metadata go anywhere.
      empty: pubsub.calling({ interceptors: [bringing(fields)] }),
    },
  }
  for (const [name, { ours, bare, empty }] of Object.entries(ways)) {
    if (WANTED.length > 0 && !WANTED.includes(name)) continue
    const calls = [ours, bare, ...(empty === undefined ? [] : [empty])]
    const times = calls.map(() => [])
    for (let round = -5; round < ROUNDS; round++) {
      // Each goes first by turns.
      for (let turn = 0; turn < calls.length; turn++) {
        const at = (round + 5 + turn) % calls.length
        const spent = await time(calls[at])
        if (round >= 0) times[at].push(spent)
      }
    }
    const least_ns = median(times[1])
    const figure = (spent) => {
      const ratio = median(spent.map((each, round) => each / times[1][round]))
      return { ours_ns: Math.round(least_ns * ratio), least_ns }
    }
    const figures = figure(times[0])
    print({ what: `call, Node ${name}, ${Math.round(1e9 / figures.ours_ns)}/s`, ...figures })
    if (empty !== undefined) print({ what: `nothing but an interceptor, Node ${name}`, ...figure(times[2]) })
  }
  const { logins, data_rejected: rejected } = await emulator.control('counters')
  if (logins !== 1 || rejected !== 0) throw new Error(`${logins} logins, ${rejected} refused calls`)
} finally {
  pubsub.close()
  httpsAgent.destroy()
  await agent.close()
  await emulator.close()
}

/** Nanoseconds of the processor for one call, of which a few are in flight at any time. */
async function time(call) {
  let left = CALLS
  const start = process.cpuUsage()
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) await call()
    }),
  )
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1000) / CALLS
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1]
}

function by(sender, calling) {
  return calling(sender)
}

function print(figure) {
  console.log(JSON.stringify(figure))
}

function attached(client) {
  const instance = axios.create(ofAxios)
  attach(instance, client)
  return instance
}

/** As it is with interceptors that do nothing, of the kind that any renewal of tokens needs. */
function intercepted() {
  const instance = axios.create(ofAxios)
  instance.interceptors.request.use(async (config) => config)
  instance.interceptors.response.use(
    async (response) => response,
    async (error) => {
      throw error
    },
  )
  return instance
}

/** An interceptor with fixed credentials for each call. */
function bringing(fields) {
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value)
  const credentials = grpc.credentials.createFromMetadataGenerator((_, callback) => callback(null, metadata))
  return (options, next) => new grpc.InterceptingCall(next({ ...options, credentials }))
}

async function grpcServer() {
  const bytes = (value) => value
  const service = {
    unary: {
      path: '/bench.PubSub/Unary',
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  }
  const server = new grpc.Server()
  const answer = Buffer.alloc(1000)
  server.addService(service, { unary: (_, callback) => callback(null, answer) })
  const [key, cert] = [file('grpc-test-key.pem'), file('grpc-test-cert.pem')]
  const secure = grpc.ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }])
  const port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', secure, (error, bound) => (error ? reject(error) : resolve(bound))),
  )
  const Stub = grpc.makeClientConstructor(service, 'PubSub')
  const stubs = []
  return {
    calling(options, fields) {
      const stub = new Stub(`localhost:${port}`, grpc.credentials.createSsl(cert), options)
      stubs.push(stub)
      const metadata = new grpc.Metadata()
      for (const [name, value] of Object.entries(fields ?? {})) metadata.set(name, value)
      return () =>
        new Promise((resolve, reject) =>
          stub.unary(answer, metadata, (error, value) => (error ? reject(error) : resolve(value))),
        )
    },
    close() {
      for (const stub of stubs) stub.close()
      server.forceShutdown()
    },
  }
}
