// Jest and vitest, each with processes and with threads for workers.
import assert from 'node:assert/strict'
import { cpSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startEmulator } from '../../bindings/node/dist/testing.mjs'
import { dotenv, makeHome, start, tool } from './support.mjs'

const FILES = 6
const TESTS = FILES * 6
let emulator
let place

before(async () => {
  emulator = await startEmulator()
  place = await makeHome()
  cpSync(path.join(import.meta.dirname, 'scripts', 'runners'), place.home, { recursive: true })
  writeFileSync(path.join(place.home, '.env.test'), dotenv(emulator))
  for (let file = 0; file < FILES; file++) {
    const define = "require('./service.cjs').define"
    writeFileSync(path.join(place.home, `service${file}.jest.cjs`), `${define}({ test, expect, afterAll })\n`)
    writeFileSync(
      path.join(place.home, `service${file}.vitest.mjs`),
      `import { afterAll, expect, test } from 'vitest'
       import service from './service.cjs'
       service.define({ test, expect, afterAll })\n`,
    )
  }
})
after(async () => {
  place?.remove()
  await emulator?.close()
})

for (const [kind, words] of [
  ['processes', []],
  ['threads', ['--workerThreads']],
]) {
  test(`Jest, with ${kind}`, async () => {
    const config = {
      testMatch: ['**/*.jest.cjs'],
      moduleFileExtensions: ['js', 'cjs', 'json', 'node'],
      setupFiles: ['<rootDir>/dotenv.cjs'],
    }
    const options = ['--maxWorkers=3', '--ci', '--config', JSON.stringify({ rootDir: place.home, ...config })]
    const run = await start(
      process.execPath,
      [tool('jest', 'bin', 'jest.js'), ...options, ...words],
      environment(),
    )
    // Jest reports at stderr.
    assert.equal(run.code, 0, run.stderr)
    assert.match(run.stderr, new RegExp(`^Tests: +${TESTS} passed, ${TESTS} total$`, 'm'))
    assert.doesNotMatch(run.stderr, /did not exit|failed to exit|open handle|leak/i)
  })
}

for (const pool of ['forks', 'threads', 'vmThreads', 'vmForks']) {
  test(`vitest, with ${pool}`, async () => {
    // The test files find vitest here.
    const config = `export default {
      root: ${JSON.stringify(place.home)},
      resolve: { alias: { vitest: ${JSON.stringify(tool('vitest', 'dist', 'index.js'))} } },
      test: {
        include: ['*.vitest.mjs'],
        setupFiles: ['./dotenv.cjs'],
        pool: '${pool}',
        maxWorkers: 3,
        watch: false,
      },
    }`
    const file = path.join(place.home, `${pool}.config.mjs`)
    writeFileSync(file, config)
    const run = await start(
      process.execPath,
      [tool('vitest', 'vitest.mjs'), 'run', '--config', file],
      environment(),
    )
    assert.equal(run.code, 0, run.stdout + run.stderr)
    assert.match(run.stdout, new RegExp(`Tests +${TESTS} passed \\(${TESTS}\\)`))
    assert.equal(run.stderr, '')
  })
}

function environment() {
  // The runner is started with variables of another org, which the .env file replaces.
  const parent = {
    SALESFORCE_LOGIN_URL: 'parent.my.salesforce.com',
    SALESFORCE_CLIENT_ID: 'parent',
    SALESFORCE_CLIENT_SECRET: 'parent',
    HTTPS_PROXY: 'http://127.0.0.1:1',
  }
  const env = { CI: 'true', ...parent, TEST_CLIENT: JSON.stringify(emulator.clientOptions()) }
  return { cwd: place.home, env }
}
