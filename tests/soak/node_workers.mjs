// Worker threads that are terminated at any moment of a request.
import { startEmulator } from 'forcegrant/testing'
import { terminate } from '../node/support/workers.mjs'

const WORKERS = 100
const ROUNDS = Math.max(1, Math.round(20 * Number(process.env.FORCEGRANT_SOAK_SCALE ?? 1)))

const emulator = await startEmulator()
let tokens = 0
for (let round = 0; round < ROUNDS; round++) tokens += await terminate(emulator, WORKERS)
console.log(
  `soak: ${WORKERS} workers terminated, ${ROUNDS} times: ${tokens} had a token by then, all processes clean`,
)
await emulator.close()
