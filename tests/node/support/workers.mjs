// Worker threads that start and end while requests are in flight.
import assert from 'node:assert/strict'
import { assertClean, runFixture } from './child.mjs'

/** Terminates `count` workers at any moment of a request, in a process of their own; resolves with how many had a token. */
export async function terminate(emulator, count) {
  await emulator.control('reset')
  await emulator.control('configure', { app: { distinct_tokens: true } })
  await emulator.control('fault', { endpoint: 'token', kind: 'slow_head', params: { ms: 20 } })
  const run = await runFixture('workers.mjs', {
    options: emulator.clientOptions(),
    env: { TEST_WORKERS: String(count) },
  })
  assertClean(run)
  const { tokens, threads } = JSON.parse(run.stdout)
  // All workers that were not terminated, and the main thread goes on.
  assert.ok(tokens >= count / 5, `${tokens} tokens`)
  assert.ok(threads <= 0, `${threads} threads are left`)
  return tokens
}
