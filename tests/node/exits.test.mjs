// A process may end in any way while requests are in flight, without a crash and without output on stderr.
import { after, before, test } from 'node:test'
import { startEmulator } from 'forcegrant/testing'
import { endTimes, WAYS } from './support/exits.mjs'

const TIMES = Number(process.env.FORCEGRANT_TEST_EXITS ?? 20)
let emulator

before(async () => {
  emulator = await startEmulator()
  await emulator.control('fault', { endpoint: 'token', kind: 'slow_head', params: { ms: 10 } })
})
after(() => emulator?.close())

for (const way of Object.keys(WAYS)) {
  test(`${way}, ${TIMES} times`, () => endTimes(way, TIMES, emulator.clientOptions()))
}
