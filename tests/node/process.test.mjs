// A process that uses the package ends by itself, and has no other threads.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { startEmulator } from 'forcegrant/testing'
import { assertClean, runFixture } from './support/child.mjs'

let emulator
let options

before(async () => {
  emulator = await startEmulator()
  options = emulator.clientOptions()
})
beforeEach(() => emulator.control('reset'))
after(() => emulator?.close())

const hold = (fields) => emulator.control('fault', { endpoint: 'token', kind: 'hold', ...fields })

/** How long the process lived after its last await, in milliseconds. */
function lingered(run) {
  return run.ended - JSON.parse(run.stdout).lastAwait
}

test('a process ends within 300 ms of its last await, the client still referenced', async () => {
  const run = await runFixture('token-then-end.mjs', { options })
  assertClean(run)
  assert.equal(JSON.parse(run.stdout).state, 'fresh')
  assert.ok(lingered(run) < 300, `lived on for ${lingered(run)} ms`)
})

test('a refresh in the background does not keep the process alive', async () => {
  await hold({ skip: 1 })
  const run = await runFixture('refresh-then-end.mjs', { options })
  assertClean(run)
  const { state, inFlight } = JSON.parse(run.stdout)
  assert.deepEqual({ state, inFlight }, { state: 'refresh_due', inFlight: true })
  assert.ok(lingered(run) < 300, `lived on for ${lingered(run)} ms`)
})

test('a call that was given up does not keep the process alive', async () => {
  await hold()
  const run = await runFixture('give-up-then-end.mjs', { options })
  assertClean(run)
  const { name, inFlight } = JSON.parse(run.stdout)
  assert.deepEqual({ name, inFlight }, { name: 'AbortError', inFlight: true })
  assert.ok(lingered(run) < 300, `lived on for ${lingered(run)} ms`)
})

test('a promise that is not awaited keeps the process alive until it is settled', async () => {
  const run = await runFixture('unawaited.mjs', { options })
  assertClean(run)
  assert.equal((await counters()).logins, 1)
})

test("a failure that is not awaited is Node's own unhandled rejection, and shows no secret", async () => {
  const run = await runFixture('unawaited.mjs', {
    options: { ...options, clientSecret: 'S3CR3T-canary-0123456789' },
  })
  assert.equal(run.code, 1)
  assert.match(run.stderr, /RefusedError/)
  assert.match(run.stderr, /unawaited\.mjs/)
  assert.doesNotMatch(run.stderr, /S3CR3T/)
  assert.equal(run.stderr.match(/RefusedError:/g).length, 1)
})

const elsewhere = process.platform !== 'linux' && 'counts threads through /proc'
test('no thread is started by require, and none is left when calls have settled', {
  skip: elsewhere,
}, async () => {
  const run = await runFixture('threads.cjs', { options })
  assertClean(run)
  const { before: atFirst, required, made, waiting, settled } = JSON.parse(run.stdout)
  assert.deepEqual({ required, made, settled }, { required: atFirst, made: atFirst, settled: atFirst })
  assert.ok(waiting <= atFirst + 1, `${waiting - atFirst} threads for one request`)
})

async function counters() {
  return await emulator.control('counters')
}
