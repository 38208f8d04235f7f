// Ends processes in every way during requests, many times: no crash, and no output on stderr.
import { startEmulator } from 'forcegrant/testing'
import { endTimes, WAYS } from '../node/support/exits.mjs'

const TIMES = Math.max(4, Math.round(200 * Number(process.env.FORCEGRANT_SOAK_SCALE ?? 1)))

const emulator = await startEmulator()
for (const way of Object.keys(WAYS)) {
  // The emulator counts logins as Salesforce does.
  await emulator.control('reset')
  await emulator.control('configure', { app: { login_limit_per_hour: 2 ** 31 } })
  await emulator.control('fault', { endpoint: 'token', kind: 'slow_head', params: { ms: 10 } })
  await endTimes(way, TIMES, emulator.clientOptions())
}
console.log(
  `soak: ${TIMES} processes ended in each of ${Object.keys(WAYS).length} ways with requests in flight, all clean`,
)
await emulator.close()
