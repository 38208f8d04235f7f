// The part of `make demo` in Node: a token, an API call with it, and the time of a cached read. Prints one JSON line.
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { Client } from 'forcegrant'

const LIMITS = '/services/data/v67.0/limits'
const BATCHES = 11
const READS = 50_000

const { FORCEGRANT_DEMO_HTTPS: address, FORCEGRANT_DEMO_CA: caFile, SALESFORCE_LOGIN_URL: loginHost } = process.env
// A real org needs nothing beside the credentials of the environment.
const emulator = address && { address, ca: readFileSync(caFile, 'utf8') }

const client = Client.fromEnv(
  emulator && { resolve: { [loginHost]: emulator.address }, roots: emulator.ca, proxy: null },
)
let started = performance.now()
const token = await client.token()
const loginMs = performance.now() - started

const status = await limits(token)

const batches = []
for (let batch = 0; batch < BATCHES; batch++) {
  started = performance.now()
  for (let read = 0; read < READS; read++) await client.token()
  batches.push(performance.now() - started)
}
batches.sort((a, b) => a - b)

console.log(
  JSON.stringify({
    language: 'Node',
    login_ms: loginMs,
    cached_ns: (batches[BATCHES >> 1] / READS) * 1e6,
    limits: status,
    org_id: token.orgId,
    instance_url: token.instanceUrl,
  }),
)

/** The status of an API call with the token. */
function limits({ accessToken, instanceUrl }) {
  const url = new URL(LIMITS, instanceUrl)
  const headers = { authorization: `Bearer ${accessToken}`, host: url.host }
  const [host, port] = emulator ? emulator.address.split(':') : [url.hostname, 443]
  const way = { host, port, servername: url.hostname, path: url.pathname, headers, ca: emulator?.ca }
  return new Promise((resolve, reject) => {
    request(way, (response) => response.resume().on('end', () => resolve(response.statusCode)))
      .on('error', reject)
      .end()
  })
}
