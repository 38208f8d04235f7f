// Several processes and several module systems around the package: cluster, child_process.fork, import beside require.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { startEmulator } from 'forcegrant/testing'
import { assertClean, runFixture } from './support/child.mjs'

let emulator

before(async () => {
  emulator = await startEmulator()
})
beforeEach(() => emulator.control('reset'))
after(() => emulator?.close())

const run = async (name) => {
  const ended = await runFixture(name, { options: emulator.clientOptions() })
  assertClean(ended)
  return JSON.parse(ended.stdout)
}

test('a cluster: every worker has its token, and one that ends during a request affects no other', async () => {
  const { workers, ...rest } = await run('cluster.mjs')
  assert.deepEqual(rest, { tokens: true, code: 0, still: true, left: 0 })
  assert.ok(workers > 1, `${workers} worker served all requests`)
})

test('child_process.fork, before and after the first token; a token that is sent shows nothing', async () => {
  const { cold, warm, still } = await run('forks.mjs')
  const { fingerprint } = warm
  const refused = 'invalid_client_secret'
  assert.match(fingerprint, /^[0-9a-f]+$/)
  assert.deepEqual(cold, { length: 112, fingerprint, received: {}, refused, code: 0 })
  assert.deepEqual(warm, { length: 112, fingerprint, received: { token: {} }, refused, code: 0 })
  assert.equal(still, true)
})

const elsewhere = process.platform !== 'linux' && 'looks into /proc'
test('import and require, in the main thread and in a worker, share one library and one set of classes', {
  skip: elsewhere,
}, async () => {
  const all = { classes: true, token: true, refused: true }
  assert.deepEqual(await run('two-ways.mjs'), { ...all, inWorker: all, libraries: 1 })
})
