// No text contains a secret or a token, even if a server repeats the whole request: every error is searched.
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import https from 'node:https'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { inspect } from 'node:util'
import axios from 'axios'
import { Client, EVENT_CHANNEL, ForcegrantError } from 'forcegrant'
import { attach } from 'forcegrant/axios'
import { connect } from 'forcegrant/jsforce'
import { startEmulator } from 'forcegrant/testing'
import { forcegrant } from 'forcegrant/undici'
import { JOBS, LIMITS } from './support/calls.mjs'
import { httpsAgentFor } from './support/network.mjs'
import { ACCESS_TOKEN, startSink } from './support/sink.mjs'

let sink
let emulator
let httpsAgent

before(async () => {
  sink = await startSink()
  emulator = await startEmulator()
  httpsAgent = httpsAgentFor(emulator)
})
after(async () => {
  httpsAgent?.destroy()
  await emulator?.close()
  await sink?.close()
})

const CLIENT_ID = '3MVG9_the.app'
const SECRETS = ['CANARY5ECRET', 'CANARY/5+E=C%R&E"T', "CANARY 5E'CRET<>\\ü", 'CANARY%2F5ECRET%25+%2B']

/** Servers that send the text of a request back in each part of a response that is read. */
const ECHOES = {
  'a refusal': (request, response) =>
    json(response, 400, { error: 'invalid_client', error_description: request.text }),
  'an unknown refusal': (request, response) =>
    json(response, 400, { error: request.text, error_description: request.text, error_uri: request.text }),
  'a busy server': (request, response) => json(response, 503, { message: request.text }),
  'a page': (request, response) =>
    response.writeHead(403, { 'content-type': 'text/html' }).end(`<html><pre>${request.text}</pre></html>`),
  'a type of content': (request, response) =>
    response.writeHead(200, { 'content-type': oneLine(request.text) }).end(request.text),
  'a redirect': (request, response) =>
    response.writeHead(302, { location: `https://elsewhere.example/${oneLine(request.text)}` }).end(),
  'no token': (request, response) => json(response, 200, { token_type: request.text, extra: request.text }),
  'a token for elsewhere': (request, response) =>
    json(response, 200, { ...sink.token, instance_url: `https://${request.text}.example` }),
  'headers that cannot be': (request, response) =>
    response.socket.end(`HTTP/1.1 200 ${request.text}\r\n${request.text}\r\n\r\n`),
}

for (const authStyle of ['body', 'basic']) {
  for (const [name, echo] of Object.entries(ECHOES)) {
    test(`no text holds the secret: ${name}, ${authStyle}`, async () => {
      for (const clientSecret of SECRETS) {
        sink.login = echo
        const texts = []
        const see = (value) => texts.push(...shown(value))
        subscribe(EVENT_CHANNEL, see)
        const client = new Client(
          sink.options({
            clientId: CLIENT_ID,
            clientSecret,
            authStyle,
            maxAttempts: 1,
            store: 'off',
            onEvent: see,
          }),
        )
        const error = await client.token().then(
          () => assert.fail('a token'),
          (failure) => failure,
        )
        unsubscribe(EVENT_CHANNEL, see)
        assert.ok(error instanceof ForcegrantError, String(error))
        see(error)
        see(client)
        see(client.status())
        see(await client.verify().catch((failure) => failure))
        see(await client.fetch('/x').catch((failure) => failure))
        lacks(texts, forms(clientSecret))
      }
    })
  }
}

test('no error of this package holds the token that an API repeats', async () => {
  sink.login = (_, response) => json(response, 200, sink.token)
  sink.respond = (request, response) =>
    json(response, 401, [{ errorCode: 'INVALID_SESSION_ID', message: request.text }])
  const texts = []
  const client = new Client(
    sink.options({ clientId: 'other', onEvent: (event) => texts.push(...shown(event)) }),
  )
  const { authorization } = await client.token()
  const made = axios.create({ httpAgent: sink.httpAgent, httpsAgent: sink.httpsAgent, proxy: false })
  attach(made, client)
  const dispatcher = sink.dispatcher.compose(forcegrant(client))
  const calls = [
    () => client.fetch('/x'),
    () => client.fetch('/x', { method: 'POST', body: ReadableStream.from(['x']), duplex: 'half' }),
    () => made.get('/x'),
    () => made.post('/x', Readable.from(['x'])),
    () => dispatcher.request({ path: '/x', method: 'GET' }),
    () => dispatcher.request({ path: '/x', method: 'POST', body: Readable.from(['x']) }),
  ]
  let count = 0
  for (const call of calls) {
    client.reset()
    const failure = await call().catch((error) => error)
    if (!(failure instanceof ForcegrantError)) continue
    count += 1
    texts.push(...shown(failure), ...shown(client), ...shown(client.status()))
  }
  assert.ok(count >= 3, `${count} ended in errors of this package`)
  lacks(texts, [ACCESS_TOKEN, authorization, encodeURIComponent(ACCESS_TOKEN)])
})

/** How calls of axios end: each gets an instance and a path. */
const ENDS = {
  'an error of the API': (made) => made.get(`${LIMITS}/nothing`),
  'an error of the API, as a stream': (made) => made.get(`${LIMITS}/nothing`, { responseType: 'stream' }),
  'a connection that is lost': async (made) => {
    await emulator.control('fault', { endpoint: 'limits', kind: 'reset', first: 1 })
    return made.get(LIMITS)
  },
  'a connection that is not to be had': (made) => made.get(LIMITS, { httpsAgent: nowhere() }),
  'a time limit': async (made) => {
    await emulator.control('hold', { endpoint: 'limits' })
    return made
      .get(LIMITS, { timeout: 50 })
      .finally(() => emulator.control('release', { endpoint: 'limits' }))
  },
  'a call that is cancelled': async (made) => {
    await emulator.control('fault', { endpoint: 'limits', kind: 'hold', first: 1 })
    return made.get(LIMITS, { signal: AbortSignal.timeout(50) }).finally(() => emulator.control('release'))
  },
  'a response that the user cannot read': (made) =>
    made.get(LIMITS, {
      transformResponse: () => {
        throw new Error('not so')
      },
    }),
  'a body that cannot be sent': (made) =>
    made.post(JOBS, Readable.from(['x'], { objectMode: false }), { maxBodyLength: 0 }),
  'a redirect too many': async (made) => {
    const location = `https://${emulator.org.myDomain}${LIMITS}`
    await emulator.control('fault', { endpoint: 'limits', kind: 'redirect', status: 307, location })
    return made.get(LIMITS, { maxRedirects: 2 })
  },
  'without redirects': (made) => made.get(`${LIMITS}/nothing`, { maxRedirects: 0 }),
  'through fetch': (made) => {
    const fetch = () => Promise.reject(new TypeError('fetch failed'))
    // Older versions have no option `fetch`, so their requests would leave this machine.
    if (Number(axios.VERSION.split('.')[1]) < 12) return Promise.reject(new Error('not tried'))
    return made.get(LIMITS, { adapter: 'fetch', env: { fetch } })
  },
  'a response': (made) => made.get(LIMITS),
  'a response, as a stream': (made) => made.get(LIMITS, { responseType: 'stream' }),
}

for (const [name, end] of Object.entries(ENDS)) {
  test(`axios: what is thrown or returned shows no token: ${name}`, async () => {
    await emulator.control('reset')
    const client = new Client(emulator.clientOptions())
    const { accessToken } = await client.token()
    const made = axios.create({ httpsAgent, proxy: false })
    attach(made, client)
    // An interceptor that runs first sees no token either.
    const texts = []
    const see = (value) => texts.push(...shown(value))
    made.interceptors.response.use(see, (error) => {
      see(error)
      throw error
    })
    await made.get(LIMITS)
    const value = await end(made).catch((error) => error)
    if (!name.startsWith('a response,') && name !== 'a response')
      assert.ok(value instanceof Error, inspect(value))
    see(value)
    see(value.config)
    see(value.response)
    if (name !== 'a response') see(value.request)
    lacks(texts, [accessToken, encodeURIComponent(accessToken)])
  })
}

test('jsforce: neither a connection, nor its streaming client, nor its errors show the token', async () => {
  await emulator.control('reset')
  const client = new Client(emulator.clientOptions())
  const { accessToken, instanceUrl } = await client.token()
  const systems = https.globalAgent
  const texts = []
  const see = (value) => texts.push(...shown(value))
  try {
    https.globalAgent = httpsAgent
    const connection = await connect(client, { version: '67.0' })
    see(connection)
    await connection.query('SELECT Id FROM Account')
    await emulator.control('kill_sessions')
    await connection.query('SELECT Id FROM Account')
    assert.notEqual(connection.accessToken, accessToken, 'it can be read, and was renewed')
    see(connection)
    // Deeper, it leads to the agent of the process.
    texts.push(inspect(connection.streaming.createClient(), { depth: 4, showHidden: true }))
    https.globalAgent = nowhere()
    // As jsforce has it for `identity`. It repeats no POST by itself.
    const url = `${instanceUrl}/id?oauth_token=${encodeURIComponent(connection.accessToken)}`
    see(await connection.request({ method: 'POST', url, body: '' }).catch((error) => error))
    const tokens = [accessToken, connection.accessToken]
    lacks(texts, [...tokens, ...tokens.map(encodeURIComponent)])
  } finally {
    https.globalAgent = systems
  }
})

test('axios: a configuration that is sent again is renewed as the first was', async () => {
  await emulator.control('reset')
  const client = new Client(emulator.clientOptions())
  const made = axios.create({ httpsAgent, proxy: false })
  attach(made, client)
  const { config } = await made.get(LIMITS)
  await emulator.control('kill_sessions')
  assert.equal((await made.request(config)).status, 200)
  assert.equal((await emulator.control('counters')).token_requests, 2)
})

function nowhere() {
  const agent = httpsAgentFor({ https: '127.0.0.1:1', caPem: emulator.caPem })
  return agent
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function oneLine(text) {
  return text.replace(/[^\x20-\x7e]+/g, ' ')
}

/** A value in every form in which it may be shown. */
function shown(value) {
  const texts = [inspect(value), inspect(value, { depth: Infinity, showHidden: true, maxStringLength: null })]
  const seen = new Set()
  // As loggers do: enumerable values at any depth, and values with a `toJSON` method.
  const serialised = (key, held) => {
    if (typeof held === 'bigint') return String(held)
    if (typeof held !== 'object' || held === null) return held
    if (seen.has(held)) return undefined
    seen.add(held)
    return held instanceof Error && key !== '' ? { ...held, message: held.message, stack: held.stack } : held
  }
  texts.push(JSON.stringify(value, serialised) ?? '')
  seen.clear()
  if (typeof value === 'object' && value !== null) texts.push(JSON.stringify({ ...value }, serialised) ?? '')
  for (let error = value; error instanceof Error; error = error.cause) {
    texts.push(
      String(error),
      error.message,
      error.stack ?? '',
      inspect(error, { depth: 9, showHidden: true }),
    )
    for (const name of Object.getOwnPropertyNames(error)) texts.push(`${name}: ${error[name]}`)
  }
  return texts
}

/** A secret in every form in which it is sent, or in which a server may return it. */
function forms(secret) {
  const form = new URLSearchParams({ s: secret }).toString().slice(2)
  const percent = encodeURIComponent(secret)
  const pairs = [secret, form, percent].map((each) => `${CLIENT_ID}:${each}`)
  const basic = pairs.flatMap((pair) => [btoaUtf8(pair), btoaUtf8(pair).replace(/=+$/, '')])
  const escaped = JSON.stringify(secret).slice(1, -1)
  return [...new Set([secret, form, percent, escaped, ...basic])]
}

function btoaUtf8(text) {
  return Buffer.from(text).toString('base64')
}

function lacks(texts, canaries) {
  assert.ok(texts.join('').length > 100, 'nothing was collected')
  for (const text of texts) {
    for (const canary of canaries) {
      const at = text.indexOf(canary)
      if (at >= 0) assert.fail(`${canary} is shown after: ${text.slice(Math.max(0, at - 400), at)}`)
    }
  }
}
