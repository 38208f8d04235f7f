// Processes that end in every way while requests are in flight.
import assert from 'node:assert/strict'
import { runFixture } from './child.mjs'

const CLEAN = { code: 0, signal: null, said: false }
const THROWN = { code: 1, signal: null, said: true }

/** How each way of fixtures/exits.mjs ends; `said` is whether Node reports the error that was thrown. */
export const WAYS = {
  exit: CLEAN,
  'exit at once': CLEAN,
  'exit when the token arrives': CLEAN,
  'exit in a listener': CLEAN,
  'exit in the credentials callback': CLEAN,
  'exit before the end': CLEAN,
  throw: THROWN,
  rejection: THROWN,
  'a signal': { code: null, signal: 'SIGTERM', said: false },
  'the natural end': CLEAN,
  'the natural end, a refresh behind it': CLEAN,
  'a worker that exits': CLEAN,
  'a worker that throws': CLEAN,
  'a worker that ends': CLEAN,
  'an exit over a worker': CLEAN,
}

/** Lets `count` processes end in one way, a few at a time, each at another moment of its request. */
export async function endTimes(way, count, options) {
  let next = 0
  async function some() {
    while (next < count) {
      // From before the request to after its response.
      const delay = (next++ % 20) * 2
      const run = await runFixture('exits.mjs', {
        options,
        env: { TEST_WAY: way, TEST_DELAY: String(delay) },
      })
      const { said, ...expected } = WAYS[way]
      const seen = `${way}, after ${delay} ms: ${run.stderr}`
      assert.deepEqual(
        { code: run.code, signal: run.signal, stdout: run.stdout },
        { ...expected, stdout: '' },
        seen,
      )
      if (said) assertNodesReport(run.stderr)
      else assert.equal(run.stderr, '', seen)
    }
  }
  await Promise.all(Array.from({ length: 4 }, some))
}

/** Only Node's report of the error, without a panic, an assertion or a fatal error. */
function assertNodesReport(text) {
  assert.match(text, /^Error: thrown on purpose$/m)
  assert.doesNotMatch(text, /panicked|FATAL|assert|napi|secret/i)
}
