// forcegrant/axios: an axios instance whose token renews itself.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import axios from 'axios'
import { Client } from 'forcegrant'
import { attach } from 'forcegrant/axios'
import { startEmulator } from 'forcegrant/testing'
import { callsThrough, JOBS, LIMITS } from './support/calls.mjs'
import { httpsAgentFor } from './support/network.mjs'

function open(options) {
  return (client, { emulator }) => {
    const httpsAgent = httpsAgentFor(emulator)
    const instance = axios.create({ httpsAgent, proxy: false, ...options })
    attach(instance, client)
    return {
      async call({ path, method, body, signal, headers }) {
        try {
          const { status, data } = await instance.request({ url: path, method, data: body, signal, headers })
          return { status, data }
        } catch (error) {
          const { status, data } = error.response ?? {}
          // A body that ended early has a response too.
          if (status === undefined || status < 400) throw error
          return { status, data }
        }
      },
      close: () => httpsAgent.destroy(),
    }
  }
}

const shared = {
  stream: (text) => Readable.from([text]),
  isCancelled: (error) => assert.ok(axios.isCancel(error), String(error)),
}
callsThrough('axios', { ...shared, open: open({}) })
callsThrough('axios, any status resolves', { ...shared, open: open({ validateStatus: () => true }) })

let emulator
let httpsAgent

before(async () => {
  emulator = await startEmulator()
  httpsAgent = httpsAgentFor(emulator)
})
after(async () => {
  httpsAgent?.destroy()
  await emulator?.close()
})

test('axios: objects, forms and streamed responses go through a renewal', async () => {
  const client = new Client(emulator.clientOptions())
  const instance = axios.create({ httpsAgent, proxy: false })
  const detach = attach(instance, client)
  const form = new FormData()
  form.set('one', new Blob(['text']), 'one.txt')
  for (const data of [{ object: 'Account' }, form, new URLSearchParams({ x: '1' }), Buffer.from('{}')]) {
    await client.token()
    await emulator.control('kill_sessions')
    const headers = data instanceof FormData ? {} : { 'content-type': 'application/json' }
    assert.equal((await instance.post(JOBS, data, { headers })).status, 200)
    const [one, two] = (await emulator.control('requests', { endpoint: 'bulk' })).requests.slice(-2)
    assert.ok(one.body_bytes > 0)
    assert.deepEqual([one.answered, two.answered, two.body_bytes], [401, 200, one.body_bytes])
  }
  await emulator.control('kill_sessions')
  const { data: stream } = await instance.get(LIMITS, { responseType: 'stream' })
  const chunks = await stream.toArray()
  assert.equal(JSON.parse(Buffer.concat(chunks)).DailyApiRequests.Max, 15_000)

  const fault = { endpoint: 'limits', kind: 'status', status: 400, body: 'not about the token', first: 1 }
  await emulator.control('fault', fault)
  const refused = await instance.get(LIMITS, { responseType: 'stream' }).catch((error) => error.response)
  assert.equal(Buffer.concat(await refused.data.toArray()).toString(), fault.body)

  detach()
  const bare = instance.get(client.cached().instanceUrl + LIMITS)
  await assert.rejects(bare, ({ response }) => response.status === 401)
})

test('axios: a redirect to a host below the instance loses the token too', async () => {
  await emulator.control('reset')
  const instance = axios.create({ httpsAgent, proxy: false, validateStatus: () => true })
  attach(instance, new Client(emulator.clientOptions()))
  const location = `https://${emulator.org.myDomain}:444/services/data/v67.0/query`
  await emulator.control('fault', { endpoint: 'limits', kind: 'redirect', status: 307, location })
  const { status } = await instance.get(LIMITS)
  assert.equal(status, 401)
  const [{ headers }] = (await emulator.control('requests', { endpoint: 'query' })).requests
  assert.equal(headers.authorization, undefined)
})
