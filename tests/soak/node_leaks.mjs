// Many clients, logins, awaits and aborted calls. Memory, threads and descriptors must not grow after the first tenth
// of the runs.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Client } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'

if (globalThis.gc === undefined) {
  // Once more, with a collector that can be called.
  const { status } = spawnSync(process.execPath, ['--expose-gc', import.meta.filename], { stdio: 'inherit' })
  process.exit(status ?? 1)
}

const SCALE = Number(process.env.FORCEGRANT_SOAK_SCALE ?? 1)
/** How much the allocators may keep. */
const SLACK_MB = 16
const AT_ONCE = 50

const emulator = await startEmulator()
await emulator.control('configure', { app: { login_limit_per_hour: 2 ** 31, distinct_tokens: true } })
// No budget: a service makes some logins in an hour, and not a hundred thousand.
const options = emulator.clientOptions({ loginBudget: 'none' })
const { clientId, clientSecret, ...others } = options

// Clients that share no token: each logs in by itself.
const alone = { ...options, store: 'off' }
const sharing = { ...options, store: 'process' }
const client = new Client({ ...alone, onEvent() {} })
const several = Array.from({ length: 4 }, () => new Client(alone))

await measure('clients made and dropped', 100_000, () => {
  new Client({ ...options, onEvent() {} }).status()
})
await measure('clients with a credentials callback made and dropped', 20_000, () => {
  new Client({ ...others, credentialsCallback: () => ({ clientId, clientSecret }) }).status()
})
// The allocator is stable only after some thousand runs.
await measure('clients dropped with a token of their own', 30_000, () => new Client(alone).token())
await measure('clients dropped with a shared token', 50_000, () => new Client(sharing).token())

await measure('logins', 100_000, (index) => {
  const one = several[index % several.length]
  one.reset()
  return one.token()
})
await measure('awaits of a cached token', 1_000_000, () => client.token())
const { signal } = new AbortController()
await measure('awaits with a signal', 100_000, () => client.token({ signal }))
await measure('calls given up', 50_000, async (index) => {
  const one = several[index % several.length]
  one.reset()
  const controller = new AbortController()
  const call = one.token({ signal: controller.signal })
  controller.abort()
  // A login that another call gave up may complete at this moment, and then this call has a token.
  await call.catch(({ name }) => assert.equal(name, 'AbortError'))
})
await measure('refusals', 20_000, () =>
  assert.rejects(new Client({ ...options, clientSecret: 'wrong' }).token(), {
    code: 'invalid_client_secret',
  }),
)
await emulator.close()

/** Runs it `count` times, and compares the process at the end with its state after the first tenth. */
async function measure(what, count, work) {
  const times = Math.max(100, Math.round(count * SCALE))
  const started = performance.now()
  await repeat(times / 10, work)
  const before = await settled()
  await repeat((times / 10) * 9, work)
  const after = await settled()
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const shown = (key, unit = '') => `${key} ${Math.round(before[key])} -> ${Math.round(after[key])}${unit}`
  const figures = [shown('memory', ' MB'), shown('threads'), shown('descriptors')].join(', ')
  console.log(`soak: ${times.toLocaleString('en')} ${what}: ${figures}; ${seconds} s`)
  assert.ok(after.memory - before.memory < SLACK_MB, `${what}: memory grew: ${figures}`)
  assert.ok(after.threads <= before.threads, `${what}: threads are left: ${figures}`)
  assert.ok(after.descriptors <= before.descriptors, `${what}: descriptors are left: ${figures}`)
}

async function repeat(times, work) {
  let left = Math.round(times)
  const some = async () => {
    while (left > 0) {
      left -= 1
      await work(left)
      // Native memory is freed by finalizers, which run between turns of the loop and when the collector has run. The
      // collector sees only a small object and not its native memory: on its own it lets ten thousand clients gather.
      if (left % 1000 === 0) globalThis.gc()
      if (left % 100 === 0) await turn()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, some))
}

/** The process when nothing is in flight: after a collection, and without the login thread. */
async function settled() {
  for (const each of [client, ...several]) await each.waitIdle()
  for (let round = 0; round < 5; round++) {
    globalThis.gc()
    await turn()
  }
  const deadline = Date.now() + 5000
  while (threadNames().some((name) => name.startsWith('forcegrant')) && Date.now() < deadline) await turn()
  // Without the pages that V8 reserves for new objects, which vary by a dozen megabytes.
  const { rss, heapTotal, heapUsed } = process.memoryUsage()
  return {
    memory: (rss - heapTotal + heapUsed) / 2 ** 20,
    threads: threadNames().length,
    descriptors: readdirSync('/proc/self/fd').length,
  }
}

function threadNames() {
  return readdirSync('/proc/self/task').map((task) => readFileSync(`/proc/self/task/${task}/comm`, 'utf8'))
}

function turn() {
  return new Promise((resolve) => setImmediate(resolve))
}
