// Uses the package as each runtime has to be able to, and prints the results as JSON.
import diagnostics from 'node:diagnostics_channel'
import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import { Client, EVENT_CHANNEL, ForcegrantError, RefusedError } from 'forcegrant'

const options = { ...JSON.parse(process.env.TEST_CLIENT), store: 'process' }
const SECRET = 'S3CR3T-canary-0123456789'
const seen = {}

const events = []
const client = new Client({ ...options, onEvent: (event) => events.push(event.name) })
const tokens = await Promise.all(Array.from({ length: 100 }, () => client.token()))
const [token] = tokens
seen.length = token.accessToken.length
seen.instanceUrl = token.instanceUrl
seen.one = tokens.every((each) => each === token)
seen.logins = client.status().logins
seen.cached = client.cached() === token && (await client.token()) === token
await client.waitIdle()
seen.events = events.filter((name) => name.startsWith('login_'))

seen.shared = (await new Client(options).token()).fingerprint === token.fingerprint

const required = createRequire(import.meta.url)('forcegrant')
seen.required = required.Client === Client && client instanceof required.Client

const refused = new Client({ ...options, clientSecret: SECRET })
try {
  await refused.token()
} catch (error) {
  seen.error = [error instanceof RefusedError, error instanceof ForcegrantError, error.code, error.setupStep]
  seen.stack = /smoke\.mjs/.test(error.stack)
  seen.leak = [error.message, error.stack, inspect(error), inspect(refused)].some((text) =>
    text.includes(SECRET),
  )
}

const controller = new AbortController()
const waiting = new Client({ ...options, clientId: 'nobody' }).token({ signal: controller.signal })
controller.abort(new Error('changed my mind'))
seen.aborted = await waiting.catch((error) => error.message)

const channel = new Promise((resolve) => {
  const listener = ({ event }) => {
    if (event.name !== 'login_succeeded') return
    diagnostics.unsubscribe(EVENT_CHANNEL, listener)
    resolve(event.name)
  }
  diagnostics.subscribe(EVENT_CHANNEL, listener)
})
await new Client({ ...options, store: 'off' }).token()
// A listener does not keep the process alive.
const alive = setTimeout(() => {}, 10_000)
seen.channel = await channel
clearTimeout(alive)

const worker = new Worker(new URL('./in-worker.mjs', import.meta.url), { workerData: options })
const gone = new Promise((resolve) => worker.once('exit', resolve))
seen.worker = await new Promise((resolve, reject) => {
  worker.once('message', resolve)
  worker.once('error', reject)
})
seen.workerExit = await gone

const stopped = new Worker(new URL('./in-worker.mjs', import.meta.url), { workerData: options })
await new Promise((resolve) => stopped.once('online', resolve))
await stopped.terminate()
seen.after = (await client.token()) === token

globalThis.client = client
console.log(JSON.stringify(seen))
