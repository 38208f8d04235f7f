// JavaScript caches for each origin where calls go. The cache has to agree with the core for every address.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { generator } from './support/generator.mjs'

const require = createRequire(import.meta.url)
const { native } = require('../../bindings/node/dist/loader.cjs')
const { toNative } = require('../../bindings/node/dist/options.cjs')
const { UrlResolver } = require('../../bindings/node/dist/resolve-url.cjs')

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
  const { options, environment } = toNative(
    { loginUrl: INSTANCE, clientId: 'id', clientSecret: 'secret', trustedHosts: ['trusted.example'] },
    'options',
  )
  const client = native().open(options, undefined, environment)
  return ({ instanceUrl, apiInstanceUrl }, text) => client.resolveUrl(instanceUrl, apiInstanceUrl, text)
}

/** The URL for a text or why there is none, as errors of the core say it. */
function codeOr(resolve) {
  try {
    return resolve()
  } catch ({ message }) {
    return { error: JSON.parse(message).code }
  }
}

/** A resolver as an adapter has it, and how often it asked. */
function cachedUrls(ask) {
  const counted = { asked: 0 }
  const resolver = new UrlResolver((token, text) => {
    counted.asked += 1
    return ask(token, text)
  })
  counted.of = (token, text) => codeOr(() => resolver.resolve(token, text))
  return counted
}

test('the cache agrees with the core for every address', () => {
  const ask = core()
  const urls = cachedUrls(ask)
  const random = generator(5)
  const texts = PARTS.flatMap((part) => [part, part + LIMITS, INSTANCE + part, INSTANCE + part + LIMITS])
  for (let count = 0; count < 20_000; count++) {
    texts.push(Array.from({ length: 1 + random(4) }, () => PARTS[random(PARTS.length)]).join(''))
  }
  for (const text of texts) {
    const said = codeOr(() => ask(TOKEN, text))
    assert.deepEqual([urls.of(TOKEN, text), urls.of(TOKEN, text)], [said, said], JSON.stringify(text))
  }
})

test('calls to an origin ask the core once for a token', () => {
  const urls = cachedUrls(core())
  for (let count = 0; count < 100; count++) {
    assert.deepEqual(urls.of(TOKEN, `/a/${count}`), { url: `${INSTANCE}/a/${count}`, carriesToken: true })
    assert.deepEqual(urls.of(TOKEN, `${API}/${count}`), { url: `${API}/${count}`, carriesToken: true })
    assert.equal(urls.of(TOKEN, `https://evil.example/${count}`).carriesToken, false)
  }
  assert.equal(urls.asked, 3)
})

test('another token is another question: what was meant for its instance follows it', () => {
  const ask = core()
  const urls = cachedUrls(ask)
  const url = INSTANCE + LIMITS
  assert.deepEqual(urls.of(TOKEN, url), { url, carriesToken: true })
  const moved = { ...TOKEN, instanceUrl: MOVED }
  for (const text of [url, url, LIMITS]) {
    assert.deepEqual(urls.of(moved, text), { url: MOVED + LIMITS, carriesToken: true })
  }
  assert.equal(urls.of(moved, 'https://trusted.example/').carriesToken, true)
})

test('the cache holds few origins', () => {
  const urls = cachedUrls(core())
  for (let count = 0; count < 1000; count++) {
    assert.equal(urls.of(TOKEN, `https://host${count}.example/`).carriesToken, false)
    assert.equal(urls.of(TOKEN, LIMITS).carriesToken, true)
  }
  assert.ok(urls.asked > 1000 && urls.asked < 1200, String(urls.asked))
})
