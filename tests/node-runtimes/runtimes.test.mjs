// The packages of a release in other JavaScript runtimes than the one that runs the suites.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { startEmulator } from '../../bindings/node/dist/testing.mjs'
import { dotenv, makeHome, runtimes, start } from './support.mjs'

let emulator
let env
let place

before(async () => {
  emulator = await startEmulator()
  env = { TEST_CLIENT: JSON.stringify(emulator.clientOptions()) }
  place = await makeHome(
    'scripts/smoke.mjs',
    'scripts/in-worker.mjs',
    'scripts/ends.mjs',
    'scripts/from-env.mjs',
  )
})
beforeEach(async () => {
  await emulator.control('reset')
  // Each login returns another token, so that a shared token is noticed.
  await emulator.control('configure', { app: { distinct_tokens: true } })
})
after(async () => {
  place?.remove()
  await emulator?.close()
})

const linux = process.platform === 'linux' && process.arch === 'x64'
test('every runtime is here', {
  skip: !linux && 'the packages of the runtimes are those of Linux x64',
}, () => {
  assert.deepEqual(
    runtimes.map(({ name }) => name),
    ['Node 20', 'Node 22', 'Node 24', 'Node 26', 'Bun', 'Deno'],
  )
})

test('Bun: the variables of a .env file beside the program', async () => {
  const bun = runtimes.find(({ name }) => name === 'Bun')
  writeFileSync(path.join(place.home, '.env'), dotenv(emulator))
  try {
    const run = await start(bun.program, ['from-env.mjs'], { cwd: place.home, env })
    assert.deepEqual(run, { code: 0, signal: null, stderr: '', stdout: `${emulator.org.orgId}\n` })
    assert.equal((await emulator.control('counters')).connects, 1)
  } finally {
    rmSync(path.join(place.home, '.env'))
  }
})

for (const { name, program, before: words } of runtimes) {
  test(`${name}: tokens, the cache, errors, events, abort signals, workers, and the end`, async () => {
    const { code, signal, stdout, stderr } = await start(program, [...words, 'smoke.mjs'], {
      cwd: place.home,
      env,
    })
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, stdout)
    assert.deepEqual(JSON.parse(stdout), {
      length: 112,
      instanceUrl: emulator.org.instanceUrl,
      one: true,
      logins: 1,
      cached: true,
      events: ['login_started', 'login_succeeded'],
      shared: true,
      required: true,
      error: [true, true, 'invalid_client_secret', 'key-and-secret'],
      stack: true,
      leak: false,
      aborted: 'changed my mind',
      channel: 'login_succeeded',
      worker: 112,
      workerExit: 0,
      after: true,
    })
  })

  test(`${name}: ends with a request in flight`, async () => {
    await emulator.control('fault', { endpoint: 'token', kind: 'hold' })
    for (const [way, expected] of [
      ['exit', ''],
      ['abort', 'AbortError\n'],
    ]) {
      const run = await start(program, [...words, 'ends.mjs', way], { cwd: place.home, env, limit: 60_000 })
      assert.deepEqual(run, { code: 0, signal: null, stdout: expected, stderr: '' }, way)
    }
  })
}
