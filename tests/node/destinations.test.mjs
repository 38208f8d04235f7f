// With every library, the token goes only to the host that the core checked and that the library connects to.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { after, before, beforeEach, test } from 'node:test'
import axios from 'axios'
import { Client } from 'forcegrant'
import { attach } from 'forcegrant/axios'
import { connect } from 'forcegrant/jsforce'
import { forcegrant } from 'forcegrant/undici'
import * as undici from 'undici'
import { generator } from './support/generator.mjs'
import { HOST, INSTANCE, startSink, withToken } from './support/sink.mjs'

// Older versions have no option `fetch`, so their requests would leave this machine.
const [, minor] = axios.VERSION.split('.')
const noFetch = Number(minor) < 12 && 'this version of axios takes no `fetch`'
const systems = [http.globalAgent, https.globalAgent]
const corpus = JSON.parse(readFileSync(new URL('../hostile-urls.json', import.meta.url), 'utf8'))
const HOSTILE = [...new Set([...corpus.map(filled), ...made(150)])]
let sink
let client

before(async () => {
  sink = await startSink()
  // jsforce uses the agents of the process.
  http.globalAgent = sink.httpAgent
  https.globalAgent = sink.httpsAgent
})
beforeEach(() => {
  sink.seen.length = 0
  sink.respond = (_, response) => response.end('{}')
  client = new Client(sink.options())
})
after(async () => {
  ;[http.globalAgent, https.globalAgent] = systems
  await sink?.close()
})

function filled(text) {
  return text.replaceAll('{instance}', INSTANCE).replaceAll('{host}', HOST)
}

/** Random combinations of the parts of the corpus, the same in each run. */
function made(count) {
  const random = generator(11)
  const parts = corpus.flatMap((text) => filled(text).split(/(?<=[/\\@:?#])/))
  const pick = () => parts[random(parts.length)]
  return Array.from({ length: count }, (_, at) =>
    [at % 3 === 0 ? INSTANCE : pick(), pick(), pick(), pick()].join(''),
  )
}

/** Ways to call, each with the address that it makes of a text, or undefined if it cannot use the text. */
const WAYS = {
  fetch: async (text) => (await client.fetch(text)).text(),
  'axios, an address': (text) => instance().get(text),
  'axios, with a baseURL': (text) => instance({ baseURL: `${INSTANCE}/services` }).get(text),
  'axios, as a baseURL': (text) => instance({ baseURL: text }).get('/services'),
  'axios, as a baseURL that whole addresses are put below': (text) =>
    instance({ baseURL: text }).get(`${INSTANCE}/services`, { allowAbsoluteUrls: false }),
  'axios, whole addresses below the instance': (text) =>
    instance({ baseURL: INSTANCE, allowAbsoluteUrls: false }).get(text),
  'axios, by an interceptor that comes later': (text) => {
    const made = axios.create(agents())
    made.interceptors.request.use((config) => Object.assign(config, { url: text }))
    attach(made, client)
    return made.get('/services')
  },
  'axios through fetch': (text) =>
    instance({ adapter: 'fetch', env: { fetch: sink.fetch, Request: null, Response: null } }).get(text),
  'undici, a path': (text) => request({ path: text }),
  'undici, an origin': (text) => request({ origin: text, path: '/services' }),
  'undici, a path on the instance': (text) => request({ origin: INSTANCE, path: text }),
  'undici, following redirects': (text) =>
    request({ origin: INSTANCE, path: text }, undici.interceptors.redirect({ maxRedirections: 3 })),
  "undici's fetch": (text) =>
    undici
      .fetch(text, { dispatcher: sink.dispatcher.compose(forcegrant(client)) })
      .then((response) => response.text()),
  jsforce: async (text) => (await connect(client, { version: '67.0' })).request({ method: 'GET', url: text }),
}

for (const [name, call] of Object.entries(WAYS)) {
  const skip = name === 'axios through fetch' && noFetch
  test(`${name}: the token goes where the core says, or nowhere`, { skip }, async () => {
    let carried = 0
    for (const text of HOSTILE) {
      const calls = await sent(() => call(text))
      carried += calls.length
      for (const { protocol, host, port } of calls) {
        assert.deepEqual([protocol, host, port], ['https:', HOST, 443], JSON.stringify(text))
      }
      if (calls.length > 0 && ['fetch', 'axios, an address'].includes(name)) {
        const route = client.route(await client.token(), text)
        assert.deepEqual([new URL(route.url).host, route.carries], [HOST, true], JSON.stringify(text))
      }
    }
    const { seen } = sink
    assert.ok(carried > 10, `${carried} of ${HOSTILE.length} carried the token; ${seen.length} were sent`)
  })
}

const REDIRECTED = {
  fetch: async () => (await client.fetch('/start')).text(),
  axios: () => instance().get('/start'),
  'axios through fetch': () =>
    instance({ adapter: 'fetch', env: { fetch: sink.fetch, Request: null, Response: null } }).get('/start'),
  undici: () => request({ path: '/start' }, undici.interceptors.redirect({ maxRedirections: 3 })),
  'undici, a redirect beneath': () => {
    const redirecting = sink.dispatcher.compose(undici.interceptors.redirect({ maxRedirections: 3 }))
    return responseOf(redirecting.compose(forcegrant(client)).request({ path: '/start', method: 'GET' }))
  },
  jsforce: async () =>
    (await connect(client, { version: '67.0' })).request({ method: 'GET', url: `${INSTANCE}/start` }),
}

for (const [name, call] of Object.entries(REDIRECTED)) {
  const skip = name === 'axios through fetch' && noFetch
  test(`${name}: a redirect takes the token nowhere else`, { skip }, async () => {
    let location
    sink.respond = (request, response) => {
      if (request.url !== '/start') return response.end('{}')
      // As bytes, because the server of Node refuses some of them.
      response.socket.end(`HTTP/1.1 307 Moved\r\nconnection: close\r\nlocation: ${location}\r\n\r\n`)
    }
    let followed = 0
    for (const text of corpus.map(filled).filter((each) => !/[\0\r\n]/.test(each))) {
      location = text
      sink.seen.length = 0
      const calls = await sent(call)
      followed += sink.seen.length - 1
      assert.ok(calls.length > 0, 'the first request has it')
      for (const { protocol, host, port } of calls) {
        assert.deepEqual([protocol, host, port], ['https:', HOST, 443], JSON.stringify(text))
      }
    }
    assert.ok(followed > 10, `${followed} redirects were followed`)
  })
}

// A dispatcher for one origin connects to it, whatever origin a request names.
const OTHER = 'https://other.example'
for (const [name, open] of Object.entries({
  Pool: (origin) => new undici.Pool(origin, { connect: sink.connect }),
  Client: (origin) => new undici.Client(origin, { connect: sink.connect }),
  BalancedPool: (origin) => new undici.BalancedPool([origin], { connect: sink.connect }),
  RoundRobinPool: (origin) => new undici.RoundRobinPool(origin, { connect: sink.connect }),
  'a Pool that tries again': (origin) =>
    new undici.RetryAgent(new undici.Pool(origin, { connect: sink.connect })),
  'a busy Pool': (origin) => new undici.Pool(origin, { connect: sink.connect, connections: 1 }),
})) {
  const skip = name === 'RoundRobinPool' && undici.RoundRobinPool === undefined && 'not in this version'
  test(`undici, ${name}: the token goes only where it really connects to`, { skip }, async () => {
    for (const wanted of [
      { path: '/a' },
      { origin: INSTANCE, path: '/a' },
      { origin: new URL(INSTANCE), path: '/a' },
    ]) {
      const elsewhere = open(OTHER)
      let named
      // Outermost. undici 8 itself names the origin of a Pool or a Client where a request names none.
      const note = (dispatch) => (options, handler) => {
        named = options.origin
        return dispatch(options, handler)
      }
      const calls = Array.from({ length: 3 }, () =>
        responseOf(elsewhere.compose(forcegrant(client), note).request({ method: 'GET', ...wanted })),
      )
      const results = await Promise.allSettled(calls)
      await elsewhere.close()
      if (named === OTHER) {
        // Like any call that names another host: it goes there, without the token.
        for (const { status } of results) assert.equal(status, 'fulfilled')
        assert.deepEqual(
          sink.seen.map(({ host }) => host),
          Array(3).fill('other.example'),
        )
        assert.deepEqual(withToken(sink), [])
        sink.seen.length = 0
      } else {
        for (const { reason } of results) {
          assert.equal(reason?.code, 'api_access_refused')
          assert.match(reason.message, /no token goes to other\.example/)
        }
        assert.deepEqual(sink.seen, [], 'nothing was sent')
      }

      const there = open(INSTANCE)
      await responseOf(there.compose(forcegrant(client)).request({ method: 'GET', ...wanted }))
      await there.close()
      assert.equal(withToken(sink).length, 1)
      sink.seen.length = 0
    }
  })
}

test('undici, BalancedPool: of several origins only those that may see the token get it', async () => {
  const pool = new undici.BalancedPool([INSTANCE, OTHER], { connect: sink.connect })
  const dispatcher = pool.compose(forcegrant(client))
  const calls = Array.from({ length: 6 }, () => responseOf(dispatcher.request({ path: '/a', method: 'GET' })))
  const results = await Promise.allSettled(calls)
  assert.deepEqual([...new Set(results.map(({ status }) => status))].sort(), ['fulfilled', 'rejected'])
  for (const { host } of withToken(sink)) assert.equal(host, HOST)
  await pool.close()
})

test('undici: what was not ours to send is not looked at', async () => {
  const elsewhere = new undici.Pool(OTHER, { connect: sink.connect })
  const { authorization } = await client.token()
  await responseOf(sink.dispatcher.compose(forcegrant(client)).request({ path: '/a', method: 'GET' }))
  // No request of the adapter is in flight: the caller may send its own header to any host.
  await responseOf(elsewhere.request({ path: '/a', method: 'GET', headers: { authorization } }))
  assert.equal(withToken(sink).length, 2)
  await elsewhere.close()
})

test('undici: a mock that responds sees the token, and one that lets a call through does not let it go elsewhere', async () => {
  const mock = new undici.MockAgent({ connect: sink.connect })
  mock.disableNetConnect()
  const { authorization } = await client.token()
  mock.get(INSTANCE).intercept({ path: '/a', headers: { authorization } }).reply(200, 'mocked')
  const dispatcher = mock.compose(forcegrant(client))
  const { body } = await dispatcher.request({ path: '/a', method: 'GET' })
  assert.equal(await body.text(), 'mocked')
  mock
    .get(INSTANCE)
    .intercept({ path: '/b', headers: { authorization: 'other' } })
    .reply(200, '')
  await assert.rejects(dispatcher.request({ path: '/b', method: 'GET' }), (error) => {
    assert.ok(
      !`${error.stack}${error.message}`.includes(authorization),
      'the text of the error holds the token',
    )
    return error.name === 'MockNotMatchedError'
  })
  await mock.close()
})

test("axios: a socket and a header or a login of the caller's own take no token along", async () => {
  const made = instance()
  for (const config of [
    { auth: { username: 'me', password: 'mine' } },
    { headers: { authorization: 'mine' } },
    { socketPath: '/nowhere.sock' },
  ]) {
    await made.get(`${INSTANCE}/a`, config).catch(() => {})
  }
  assert.ok(sink.seen.length >= 2)
  assert.deepEqual(withToken(sink), [])
})

test('axios: a proxy sees no token in clear', async () => {
  const made = instance({ proxy: { host: 'proxy.invalid', port: 3128, protocol: 'http' } })
  // A newer axios fails to reach the proxy by a tunnel; an older one would send all of it in clear.
  await assert.rejects(made.get('/a'), /proxy\.invalid|in clear/)
  assert.deepEqual(withToken(sink), [])
})

test('axios: plain http on this machine goes by no proxy', async () => {
  sink.token.instance_url = sink.options().loginUrl
  try {
    const proxy = { host: 'proxy.example', port: 3128, protocol: 'http' }
    await axios
      .create({ proxy })
      .get('/a')
      .catch(() => {})
    const made = axios.create({ proxy, httpAgent: sink.httpAgent })
    // Another app: clients of one app share their token.
    attach(made, new Client(sink.options({ clientId: 'other' })))
    await made.get('/a')
    for (const { host } of withToken(sink)) assert.equal(host, '127.0.0.1')
    assert.equal(withToken(sink).length, 1)
  } finally {
    sink.token.instance_url = INSTANCE
  }
})

function agents() {
  const { httpAgent, httpsAgent } = sink
  return { httpAgent, httpsAgent, proxy: false }
}

function instance(options) {
  const made = axios.create({ ...agents(), ...options })
  attach(made, client)
  return made
}

function request(wanted, ...interceptors) {
  return responseOf(
    sink.dispatcher.compose(forcegrant(client), ...interceptors).request({ method: 'GET', ...wanted }),
  )
}

async function responseOf(pending) {
  const { body } = await pending
  return body.text()
}

/** The requests of a call that contained the token, also if the call failed. */
async function sent(call) {
  const before = sink.seen.length
  await Promise.resolve()
    .then(call)
    .catch(() => {})
  return withToken({ seen: sink.seen.slice(before) })
}
