// Worker threads start and end while requests are in flight.
import { after, before, test } from 'node:test'
import { startEmulator } from 'forcegrant/testing'
import { terminate } from './support/workers.mjs'

const WORKERS = 100
let emulator

before(async () => {
  emulator = await startEmulator()
})
after(() => emulator?.close())

for (const round of ['once', 'twice']) {
  test(`${WORKERS} workers are terminated at any moment of a request, ${round}`, () =>
    terminate(emulator, WORKERS))
}
