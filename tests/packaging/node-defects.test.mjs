// A panic in the native part is a rejection with the code `internal`: the process goes on, and no data of the call is
// shown. The library is built with a way to cause panics, which the published one does not have.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { root, run } from './support/npm.mjs'

const dist = path.join('bindings', 'node', 'dist')
const CANARY = 'S3CR3T-canary-0123456789'
let home

before(async () => {
  home = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
  cpSync(path.join(root, dist), path.join(home, dist), { recursive: true })
  copyFileSync(path.join(root, 'package.json'), path.join(home, 'package.json'))
  const [binary] = readdirSync(path.join(home, dist)).filter((name) => name.endsWith('.node'))
  rmSync(path.join(home, dist, binary))
  copyFileSync(await build(), path.join(home, dist, binary))
})
after(() => rmSync(home, { recursive: true }))

// The call in which each panic shows.
const PLACES = {
  open: 'new Client(options)',
  call: 'await client.token()',
  answer: 'await client.token()',
  login: 'await asking.token()',
}

for (const [place, call] of Object.entries(PLACES)) {
  test(`a panic at the place "${place}" is an error of its call alone`, () => {
    const { stdout, ...rest } = script(`
      plant('${place}')
      try {
        ${call}
        console.log('no error')
      } catch (error) {
        const { message, code, retryable } = error
        const texts = [message, error.stack, inspect(error, { depth: 9 })].join()
        report({ code, retryable, own: error instanceof InternalError, leak: texts.includes('${CANARY}'), frames: /\\[eval1?\\]/.test(error.stack) })
      }
      const { accessToken } = await ('${place}' === 'login' ? asking : new Client(options)).token()
      report({ next: accessToken.length, same: (await client.token()).accessToken === accessToken })`)
    assertOneLine(rest, place)
    assert.deepEqual(stdout, [
      { code: 'internal', retryable: true, own: true, leak: false, frames: true },
      { next: 112, same: true },
    ])
  })
}

test('a panic while an event is delivered loses the event, and affects no login', () => {
  const { stdout, ...rest } = script(`
    plant('event')
    report({ length: (await client.token()).accessToken.length })
    await client.waitIdle()
    report(events)`)
  assertOneLine(rest, 'event')
  assert.deepEqual(stdout[0], { length: 112 })
  assert.ok(!stdout[1].includes('login_started') && stdout[1].includes('login_succeeded'), String(stdout[1]))
})

test('many callers wait when the response is lost: each gets an error of its own', () => {
  const { stdout, ...rest } = script(`
    plant('answer')
    const errors = await Promise.all(Array.from({ length: 100 }, () => client.token().catch((error) => error)))
    report([errors.length, new Set(errors).size, errors.every(({ code }) => code === 'internal')])`)
  assertOneLine(rest, 'answer')
  assert.deepEqual(stdout, [[100, 100, true]])
})

test('the published library has no way to cause a panic', () => {
  const { native } = createRequire(import.meta.url)(path.join(root, dist, 'loader.cjs'))
  assert.equal(native().plantDefect, undefined)
})

/** Runs statements in a process of their own; returns their reports, and how the process ended. */
function script(statements) {
  const { FORCEGRANT_EMULATOR } = process.env
  const text = `
    import { inspect } from 'node:util'
    const { Client, InternalError } = await import(${JSON.stringify(path.join(home, dist, 'index.mjs'))})
    const { startEmulator } = await import(${JSON.stringify(path.join(home, dist, 'testing.mjs'))})
    const loader = await import(${JSON.stringify(path.join(home, dist, 'loader.cjs'))})
    const plant = (place) => loader.native().plantDefect(place, 'a defect planted on purpose: ${CANARY}')
    const report = (what) => console.log(JSON.stringify(what))
    const emulator = await startEmulator()
    const options = emulator.clientOptions()
    const events = []
    const client = new Client({ ...options, onEvent: (event) => events.push(event.name) })
    const { clientId, clientSecret, ...others } = options
    const asking = new Client({ ...others, credentialsCallback: () => ({ clientId, clientSecret }) })
    ${statements}
    await emulator.close()`
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', text],
    {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, ...(FORCEGRANT_EMULATOR && { FORCEGRANT_EMULATOR }) },
    },
  )
  const lines = stdout.trim().split('\n').filter(Boolean)
  return { status, signal, stderr, stdout: lines.map((line) => JSON.parse(line)) }
}

/** The process ran to its end and printed only the place of the panic. */
function assertOneLine({ status, signal, stderr }, place) {
  assert.match(stderr, /^forcegrant: a defect at \S+defect\.rs:\d+:\d+; please report it\n$/, place)
  assert.deepEqual([status, signal], [0, null])
}

/** Builds the library with the feature and returns its path. */
async function build() {
  const options = [
    '--locked',
    '--package',
    'forcegrant-node',
    '--features',
    'defects',
    '--message-format',
    'json',
  ]
  const { stdout } = await run('cargo', ['build', '--quiet', ...options], { cwd: root, maxBuffer: 1 << 26 })
  const artifacts = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const library = artifacts.find(
    ({ reason, target }) =>
      reason === 'compiler-artifact' && target.name === 'forcegrant_node' && target.kind.includes('cdylib'),
  )
  return library.filenames.find((name) => /\.(so|dylib|dll)$/.test(name))
}
