// What reading a cached token costs in Node, beside the least that such a method can cost. Prints one JSON line
// for each: medians over many rounds, ours and the least possible in turns, so that both meet the same machine.
import { Client } from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'

const ROUNDS = 101
const CALLS = 20_000

/** The least possible: a method that looks at the clock and returns what it keeps. */
class Bare {
  #token = { accessToken: 'x' }
  #until = Number.MAX_SAFE_INTEGER

  async token() {
    if (Date.now() < this.#until) return this.#token
    throw new Error('never reached')
  }

  cached() {
    if (Date.now() < this.#until) return this.#token
    return undefined
  }
}

// One loop for each: a loop that has met two classes is slower for both.
const loops = {
  'cached await, Node': {
    async ours(client) {
      for (let i = 0; i < CALLS; i++) await client.token()
    },
    async least(bare) {
      for (let i = 0; i < CALLS; i++) await bare.token()
    },
  },
  'cached read, Node': {
    async ours(client) {
      for (let i = 0; i < CALLS; i++) client.cached()
    },
    async least(bare) {
      for (let i = 0; i < CALLS; i++) bare.cached()
    },
  },
}

const emulator = await startEmulator()
try {
  const client = new Client(emulator.clientOptions())
  await client.token()
  const bare = new Bare()
  for (const [what, { ours, least }] of Object.entries(loops)) {
    const times = { ours: [], least: [] }
    for (let round = 0; round < ROUNDS; round++) {
      times.ours.push(await time(ours, client))
      times.least.push(await time(least, bare))
    }
    const [ours_ns, least_ns] = [median(times.ours), median(times.least)]
    console.log(JSON.stringify({ what, ours_ns, least_ns }))
  }
  const { logins } = await emulator.control('counters')
  if (logins !== 1) throw new Error(`${logins} logins: this was no measurement of cached reads`)
} finally {
  await emulator.close()
}

/** Nanoseconds for one call. */
async function time(loop, target) {
  const start = process.hrtime.bigint()
  await loop(target)
  return Number(process.hrtime.bigint() - start) / CALLS
}

function median(values) {
  return Number(values.sort((a, b) => a - b)[values.length >> 1].toFixed(1))
}
