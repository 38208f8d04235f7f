// JavaScript caches for each origin where calls go. The cache has to agree with the core for every address.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { generator } from './support/generator.mjs'

const require = createRequire(import.meta.url)
const { native } = require('../../bindings/node/dist/loader.cjs')
const { toNative } = require('../../bindings/node/dist/options.cjs')
const { Routes } = require('../../bindings/node/dist/routes.cjs')

const INSTANCE = 'https://acme.my.salesforce.com'
const MOVED = 'https://acme-moved.my.salesforce.com'
const API = 'https://api.salesforce.com'
const TOKEN = { instanceUrl: INSTANCE, apiInstanceUrl: API }
const LIMITS = '/services/data/v67.0/limits'
/** Parts of addresses, including those that an attacker would use. */
const PARTS = [
  ...['/', '//', '\\', '/\\', '?', '#', '@', ':', ':443', ':80', ':8443', '.', '..', '%2f', ' ', '\t', '\n'],
  ...['https:', 'HTTPS:', 'http:', 'https://', 'http://', 'javascript:', 'a', 'ä', '\u0000', '~!$[]|^`"<>{}'],
  ...[INSTANCE, API, 'acme.my.salesforce.com', 'ACME.my.salesforce.com', 'trusted.example', 'evil.example'],
  ...['.evil.example', 'user:word@', LIMITS, '?q=SELECT+Id+FROM+Account', 'services'],
]

function core() {
  const { options } = toNative(
    { loginUrl: INSTANCE, clientId: 'id', clientSecret: 'secret', trustedHosts: ['trusted.example'] },
    false,
  )
  const { client } = native().open(options, false)
  return ({ instanceUrl, apiInstanceUrl }, text) => {
    const { url, carries, error } = client.route(instanceUrl, apiInstanceUrl, text)
    return error === undefined ? { url, carries } : { error: error.code }
  }
}

/** The routes of an adapter, and how often they asked the core. */
function cachedRoutes(ask) {
  const counted = { asked: 0 }
  const routes = new Routes((token, text) => {
    counted.asked += 1
    const response = ask(token, text)
    if (response.error !== undefined) throw Object.assign(new Error(), { code: response.error })
    return response
  })
  counted.of = (token, text) => {
    try {
      return routes.of(token, text)
    } catch ({ code }) {
      return { error: code }
    }
  }
  return counted
}

test('the cache agrees with the core for every address', () => {
  const ask = core()
  const routes = cachedRoutes(ask)
  const random = generator(5)
  const texts = PARTS.flatMap((part) => [part, part + LIMITS, INSTANCE + part, INSTANCE + part + LIMITS])
  for (let count = 0; count < 20_000; count++) {
    texts.push(Array.from({ length: 1 + random(4) }, () => PARTS[random(PARTS.length)]).join(''))
  }
  for (const text of texts) {
    const said = ask(TOKEN, text)
    assert.deepEqual([routes.of(TOKEN, text), routes.of(TOKEN, text)], [said, said], JSON.stringify(text))
  }
})

test('calls to an origin ask the core once for a token', () => {
  const routes = cachedRoutes(core())
  for (let count = 0; count < 100; count++) {
    assert.deepEqual(routes.of(TOKEN, `/a/${count}`), { url: `${INSTANCE}/a/${count}`, carries: true })
    assert.deepEqual(routes.of(TOKEN, `${API}/${count}`), { url: `${API}/${count}`, carries: true })
    assert.equal(routes.of(TOKEN, `https://evil.example/${count}`).carries, false)
  }
  assert.equal(routes.asked, 3)
})

test('another token is another question: what was meant for its instance follows it', () => {
  const ask = core()
  const routes = cachedRoutes(ask)
  const url = INSTANCE + LIMITS
  assert.deepEqual(routes.of(TOKEN, url), { url, carries: true })
  const moved = { ...TOKEN, instanceUrl: MOVED }
  for (const text of [url, url, LIMITS]) {
    assert.deepEqual(routes.of(moved, text), { url: MOVED + LIMITS, carries: true })
  }
  assert.equal(routes.of(moved, 'https://trusted.example/').carries, true)
})

test('the cache holds few origins', () => {
  const routes = cachedRoutes(core())
  for (let count = 0; count < 1000; count++) {
    assert.equal(routes.of(TOKEN, `https://host${count}.example/`).carries, false)
    assert.equal(routes.of(TOKEN, LIMITS).carries, true)
  }
  assert.ok(routes.asked > 1000 && routes.asked < 1200, String(routes.asked))
})
