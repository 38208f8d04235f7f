// C3: worker threads come and go while requests are up.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startEmulator } from 'forcegrant/testing'
import { assertClean, runFixture } from './support/child.mjs'

const WORKERS = Number(process.env.FORCEGRANT_TEST_WORKERS ?? 100)
const ROUNDS = Number(process.env.FORCEGRANT_TEST_WORKER_ROUNDS ?? 2)
let emulator

before(async () => {
  emulator = await startEmulator()
})
after(() => emulator?.close())

test(`${WORKERS} workers are terminated at any moment of a request, ${ROUNDS} times`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    await emulator.control('reset')
    await emulator.control('configure', { app: { distinct_tokens: true } })
    await emulator.control('fault', { endpoint: 'token', kind: 'slow_head', params: { ms: 20 } })
    const run = await runFixture('workers.mjs', {
      options: emulator.clientOptions(),
      env: { TEST_WORKERS: String(WORKERS) },
    })
    assertClean(run)
    const { tokens, threads } = JSON.parse(run.stdout)
    // All that were let live until then, and the main thread goes on.
    assert.ok(tokens >= WORKERS / 5, `${tokens} tokens`)
    assert.ok(threads <= 0, `${threads} threads are left`)
  }
})
