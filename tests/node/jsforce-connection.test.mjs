// forcegrant/jsforce: a connection of jsforce whose session renews itself.
import assert from 'node:assert/strict'
import https from 'node:https'
import { after, before, beforeEach, test } from 'node:test'
import { Client } from 'forcegrant'
import { connect } from 'forcegrant/jsforce'
import { startEmulator } from 'forcegrant/testing'
import { JOBS, LIMITS } from './support/calls.mjs'
import { httpsAgentFor } from './support/network.mjs'

const FOREIGN = 'https://acme--uat.sandbox.my.salesforce.com/services/data/v67.0/query'
const DEAD = {
  endpoint: 'limits',
  kind: 'status',
  status: 401,
  body: '[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]',
  content_type: 'application/json',
}
const systems = https.globalAgent
let emulator
let client
let connection

before(async () => {
  emulator = await startEmulator()
  // jsforce sends by the agent of the process.
  https.globalAgent = httpsAgentFor(emulator)
})
beforeEach(async () => {
  await emulator.control('reset')
  client = new Client(emulator.clientOptions())
  connection = await connect(client, { version: '67.0' })
})
after(async () => {
  https.globalAgent.destroy()
  https.globalAgent = systems
  await emulator?.close()
})

const logins = async () => (await emulator.control('counters')).token_requests
const sent = async (endpoint) => (await emulator.control('requests', { endpoint })).requests

test('a connection queries with the token, and the usage is remembered', async () => {
  const { records } = await connection.query('SELECT Id, Name FROM Account')
  assert.equal(records.length, 1)
  assert.deepEqual(client.limits(), { used: 1, limit: 15_000 })
  assert.equal(await logins(), 1)
})

test('a dead session is renewed once, and the request repeated with its body', async () => {
  await emulator.control('kill_sessions')
  await connection.requestPost(JOBS, { object: 'Account' })
  const requests = await sent('bulk')
  assert.deepEqual(
    requests.map(({ answered }) => answered),
    [401, 200],
  )
  assert.equal(requests[0].body_bytes, requests[1].body_bytes)
  assert.equal(await logins(), 2)
  assert.equal(connection.accessToken, client.cached().accessToken)
})

test('a hundred requests that meet a dead session cause one login', async () => {
  await emulator.control('kill_sessions')
  const answers = await Promise.all(Array.from({ length: 100 }, () => connection.request(LIMITS)))
  assert.ok(answers.every(({ DailyApiRequests }) => DailyApiRequests.Max === 15_000))
  assert.equal(await logins(), 2)
})

test('when the instance moved, the repeated request goes to the new one, and later ones too', async () => {
  await emulator.control('move_instance', { instance_url: 'https://acme-one.my.salesforce.com' })
  await emulator.control('kill_sessions')
  await connection.request(LIMITS)
  await connection.request(LIMITS)
  await connection.request(`${emulator.org.instanceUrl}${LIMITS}`)
  assert.equal(connection.instanceUrl, 'https://acme-one.my.salesforce.com')
  assert.deepEqual(
    (await sent('limits')).map(({ host, answered }) => [host.split('.')[0], answered]),
    [
      ['acme', 401],
      ['acme-one', 200],
      ['acme-one', 200],
      ['acme-one', 200],
    ],
  )
})

test('another origin sees no token, by a redirect or asked at once', async () => {
  await emulator.control('fault', { endpoint: 'limits', kind: 'redirect', status: 302, location: FOREIGN })
  for (const url of [LIMITS, FOREIGN]) {
    await assert.rejects(connection.request(url), { name: 'TokenRejectedError', code: 'api_access_refused' })
  }
  const requests = await sent('query')
  assert.equal(requests.length, 2)
  for (const { headers } of requests) assert.equal(headers.authorization, undefined)
  assert.equal(await logins(), 1, 'what another origin answers says nothing about the token')
})

test('a redirect within the instance keeps the token', async () => {
  const location = `${emulator.org.instanceUrl}/services/data/v67.0/query?q=SELECT+Id+FROM+Account`
  await emulator.control('fault', { endpoint: 'limits', kind: 'redirect', status: 302, location })
  assert.equal((await connection.request(LIMITS)).totalSize, 1)
})

test('a body that is gone is not sent again: an error says so', async () => {
  await emulator.control('kill_sessions')
  const request = { method: 'POST', url: JOBS, headers: { 'content-type': 'application/json' } }
  const post = () => {
    const posted = connection.request({ ...request })
    posted.stream().end('{}')
    return posted
  }
  await assert.rejects(post(), { name: 'ReplayError', code: 'request_not_replayable' })
  assert.equal((await sent('bulk')).length, 1)
  await post()
  assert.equal(await logins(), 2)
})

test('the same token again ends in an error, not in a loop', async () => {
  await emulator.control('fault', DEAD)
  await assert.rejects(connection.request(LIMITS), /very token that was reported as rejected/)
  assert.equal(client.status().lastError.code, 'same_token_returned')
  assert.equal((await sent('limits')).length, 1)
  assert.equal(await logins(), 2)
})

test('a fresh token that is refused too ends in an error, not in a loop', async () => {
  await emulator.control('configure', { app: { distinct_tokens: true } })
  await emulator.control('fault', DEAD)
  await assert.rejects(connection.request(LIMITS), /a new token was refused too/)
  assert.equal((await sent('limits')).length, 2)
  assert.equal(await logins(), 2)
  // And the connection lives on.
  await emulator.control('clear_faults')
  await connection.request(LIMITS)
})

test('what a new token does not cure is handed out at once', async () => {
  const body = 'This session is not valid for use with the REST API'
  await emulator.control('fault', { ...DEAD, body, content_type: 'text/plain' })
  await assert.rejects(connection.request(LIMITS))
  assert.equal((await sent('limits')).length, 1)
  assert.equal(await logins(), 1)
})
