// forcegrant/jsforce: every API of jsforce that needs a session.
import assert from 'node:assert/strict'
import https from 'node:https'
import { after, before, beforeEach, test } from 'node:test'
import { Client } from 'forcegrant'
import { connect } from 'forcegrant/jsforce'
import { startEmulator } from 'forcegrant/testing'
import { FOREIGN, JOBS, LIMITS, MOVED } from './support/calls.mjs'
import { httpsAgentFor } from './support/network.mjs'

const systems = https.globalAgent
let emulator
let client
let connection

before(async () => {
  emulator = await startEmulator()
  // jsforce uses the agent of the process.
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
const ended = async () => {
  await client.token()
  await emulator.control('kill_sessions')
}

test('jsforce: later requests go to the moved instance too', async () => {
  await emulator.control('move_instance', { instance_url: MOVED })
  await emulator.control('kill_sessions')
  await connection.request(LIMITS)
  await connection.request(`${emulator.org.instanceUrl}${LIMITS}`)
  assert.equal(connection.instanceUrl, MOVED)
  assert.deepEqual(
    (await sent('limits')).map(({ host, answered }) => [host.split('.')[0], answered]),
    [
      ['acme', 401],
      ['acme-one', 200],
      ['acme-one', 200],
    ],
  )
})

test('jsforce: a redirect within the instance keeps the token', async () => {
  const location = `${emulator.org.instanceUrl}/services/data/v67.0/query?q=SELECT+Id+FROM+Account`
  await emulator.control('fault', { endpoint: 'limits', kind: 'redirect', status: 302, location })
  assert.equal((await connection.request(LIMITS)).totalSize, 1)
})

test('jsforce: a token that was replaced behind the connection is used without a refusal', async () => {
  client.invalidate(connection.accessToken)
  await emulator.control('kill_sessions')
  await Promise.all(Array.from({ length: 10 }, () => connection.request(LIMITS)))
  assert.equal(connection.accessToken, client.cached().accessToken)
  assert.deepEqual([...new Set((await sent('limits')).map(({ answered }) => answered))], [200])
  assert.equal(await logins(), 2)
})

test('jsforce: a login that fails before a request is its own error', async () => {
  client.invalidate(connection.accessToken)
  await emulator.control('configure', { app: { flow_enabled: false } })
  await assert.rejects(connection.request(LIMITS), { name: 'RefusedError', kind: 'refused' })
  assert.equal((await sent('limits')).length, 0)
})

test('jsforce: queries renew the session, also as streams of records', async () => {
  const soql = 'SELECT Id, Name FROM Account'
  await ended()
  const { records } = await connection.query(soql)
  assert.equal(records[0].Name, 'Emulated Account')
  await ended()
  const names = []
  const query = connection.query(soql).on('record', ({ Name }) => names.push(Name))
  await new Promise((resolve, reject) =>
    query.on('end', resolve).on('error', reject).run({ autoFetch: true }),
  )
  assert.deepEqual(names, ['Emulated Account'])
  await ended()
  await connection.sobject('Account').find({ Name: 'Acme' }, ['Id'])
  assert.equal(await logins(), 4)
})

test('jsforce: calls of the SOAP API renew the session, with the new token in the envelope', async () => {
  await ended()
  const { organizationId } = await connection.soap.getUserInfo()
  assert.equal(organizationId, emulator.org.orgId)
  assert.deepEqual(
    (await sent('soap')).map(({ answered }) => answered),
    [500, 200],
  )
  assert.equal(await logins(), 2)
})

test('jsforce: jobs of the Bulk API renew the session; a batch that is a stream is an error that says so', async () => {
  await ended()
  const job = connection.bulk.createJob('Account', 'insert')
  await job.open()
  const calls = async () => (await sent('bulk')).map(({ method, path, answered }) => [method, path, answered])
  const jobs = '/services/async/67.0/job'
  assert.deepEqual(await calls(), [
    ['POST', jobs, 400],
    ['POST', jobs, 201],
  ])
  await ended()
  assert.equal((await job.check()).id, job.id)
  await ended()
  const upload = async () => job.createBatch().execute('Name\nAcme\n')
  await assert.rejects(upload(), { name: 'ReplayError', code: 'request_not_replayable' })
  assert.equal(await logins(), 3)
  const { id, jobId } = await new Promise((resolve, reject) =>
    job.createBatch().on('error', reject).on('queue', resolve).execute('Name\nAcme\n'),
  )
  assert.deepEqual([id.slice(0, 3), jobId], ['751', job.id])
  assert.equal(await logins(), 4)
})

test('jsforce: jobs of the Bulk API 2 renew the session; data that is uploaded is an error that says so', async () => {
  await ended()
  const { bulk2 } = connection
  const job = bulk2.createJob({ object: 'Account', operation: 'insert' })
  await job.open()
  await ended()
  const upload = (to) => to.uploadData('Name\nAcme\n')
  await assert.rejects(upload(job), { name: 'ReplayError', code: 'request_not_replayable' })
  // A job object of jsforce accepts data once; another object for the same job accepts it again.
  await upload(bulk2.job('ingest', { id: job.id }))
  await ended()
  await job.close()
  const batches = `${JOBS}/${job.id}/batches`
  assert.deepEqual(
    (await sent('bulk')).map(({ method, path, answered }) => [method, path, answered]),
    [
      ['POST', JOBS, 401],
      ['POST', JOBS, 200],
      ['PUT', batches, 401],
      ['PUT', batches, 201],
      ['PATCH', `${JOBS}/${job.id}`, 401],
      ['PATCH', `${JOBS}/${job.id}`, 200],
    ],
  )
  assert.equal(await logins(), 4)
})

test('jsforce: a token in a body, an address or a header of Bulk goes to no other host', async () => {
  const [{ default: Soap }, { Bulk }] = await Promise.all([
    import('jsforce/lib/soap.js').then(({ default: module }) => module),
    import('jsforce/lib/api/bulk.js'),
  ])
  const endpointUrl = `${FOREIGN}/services/Soap/u/67.0`
  const soap = new Soap(connection, { xmlns: 'urn:partner.soap.sforce.com', endpointUrl })
  const elsewhere = { name: 'TokenRejectedError', code: 'api_access_refused', message: /no token goes to/ }
  await assert.rejects(soap.invoke('getUserInfo', {}), elsewhere)
  // jsforce writes the token into the identity URL, which is the login host's.
  connection.userInfo = { id: '', organizationId: '', url: `${FOREIGN}/id/x/y` }
  await assert.rejects(connection.identity(), elsewhere)
  const bulk = new Bulk(Object.create(connection, { instanceUrl: { value: FOREIGN } }))
  await assert.rejects(bulk.createJob('Account', 'insert').open())
  const requests = (await emulator.control('requests')).requests.filter(
    ({ endpoint }) => endpoint !== 'token',
  )
  assert.deepEqual(
    requests.map(({ endpoint }) => endpoint),
    ['bulk'],
  )
  assert.equal(requests[0].headers['x-sfdc-session'], undefined)
})

test('jsforce: what it takes for a dead session, and is none, is not asked again for ever', async () => {
  const fault = {
    endpoint: 'limits',
    kind: 'status',
    status: 401,
    body: '[{"errorCode":"INVALID_AUTH_HEADER"}]',
  }
  await emulator.control('fault', fault)
  await assert.rejects(connection.request(LIMITS), { name: 'TokenRejectedError', code: 'api_access_refused' })
  assert.equal((await sent('limits')).length, 1)
  assert.equal(await logins(), 1)
})
