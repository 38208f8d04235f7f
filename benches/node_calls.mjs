// What a call of an API costs through each adapter of the Node package, beside the bare library with a fixed header.
// Prints one JSON line for each: medians over many rounds, ours and the bare one in turns, over one pool of TLS
// connections to the emulator, which runs in a process of its own. The server of gRPC runs in this one.
//
// Counted is the processor's time of this process, as one thread of JavaScript is what bounds its requests per second.
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

const ROUNDS = Number(process.env.ROUNDS ?? 61)
const CALLS = 120
const AT_ONCE = 8
const LIMITS = '/services/data/v67.0/limits'
const file = (name) => readFileSync(new URL(`../tests/node/fixtures/${name}`, import.meta.url))

const emulator = await startEmulator()
const agent = agentFor(emulator, { connections: AT_ONCE })
const httpsAgent = httpsAgentFor(emulator)
// jsforce sends by the agent of the process.
https.globalAgent = httpsAgent
const pubsub = await grpcServer()
try {
  const client = new Client(emulator.clientOptions({ fetch: fetchBy(agent), trustedHosts: ['localhost'] }))
  const { accessToken, authorization, instanceUrl, orgId } = await client.token()
  const headers = { authorization }
  const pairs = {
    fetch: {
      ours: async () => (await client.fetch(LIMITS)).arrayBuffer(),
      bare: (
        (send) => async () =>
          (await send(instanceUrl + LIMITS, { headers })).arrayBuffer()
      )(fetchBy(agent)),
    },
    undici: {
      ours: (
        (dispatcher) => async () =>
          (await dispatcher.request({ path: LIMITS, method: 'GET' })).body.arrayBuffer()
      )(agent.compose(forcegrant(client))),
      bare: async () =>
        (
          await agent.request({ origin: instanceUrl, path: LIMITS, method: 'GET', headers })
        ).body.arrayBuffer(),
    },
    axios: {
      ours: (
        (instance) => () =>
          instance.get(LIMITS)
      )(attached(client)),
      bare: (
        (instance) => () =>
          instance.get(instanceUrl + LIMITS, { headers })
      )(axios.create({ httpsAgent, proxy: false })),
    },
    jsforce: {
      ours: (
        (connection) => () =>
          connection.request(LIMITS)
      )(await connect(client, { version: '67.0' })),
      bare: (
        (connection) => () =>
          connection.request(LIMITS)
      )(new jsforce.Connection({ accessToken, instanceUrl, version: '67.0' })),
    },
    gRPC: {
      ours: pubsub.calling({ interceptors: [interceptor(client)] }),
      bare: pubsub.calling({}, { accesstoken: accessToken, instanceurl: instanceUrl, tenantid: orgId }),
    },
  }
  for (const [name, { ours, bare }] of Object.entries(pairs)) {
    const times = { ours: [], bare: [] }
    for (let round = -5; round < ROUNDS; round++) {
      // Each goes first in every other round.
      for (const which of round % 2 === 0 ? ['ours', 'bare'] : ['bare', 'ours']) {
        const spent = await time(which === 'ours' ? ours : bare)
        if (round >= 0) times[which].push(spent)
      }
    }
    const [ours_ns, floor_ns] = [median(times.ours), median(times.bare)]
    const rate = Math.round(1e9 / ours_ns)
    console.log(JSON.stringify({ what: `call, Node ${name}, ${rate}/s`, ours_ns, floor_ns }))
  }
  const { logins, data_rejected: rejected } = await emulator.control('counters')
  if (logins !== 1 || rejected !== 0) throw new Error(`${logins} logins, ${rejected} refused calls`)
} finally {
  pubsub.close()
  httpsAgent.destroy()
  await agent.close()
  await emulator.close()
}

/** Nanoseconds of the processor for one call, of which a few are in the air at any time. */
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
  return Number(values.sort((a, b) => a - b)[values.length >> 1].toFixed(1))
}

function attached(client) {
  const instance = axios.create({ httpsAgent, proxy: false })
  attach(instance, client)
  return instance
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
