// The command `forcegrant` of this package: the same program as the Rust one.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { startEmulator } from 'forcegrant/testing'

const root = path.join(import.meta.dirname, '..', '..')
const { bin } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const command = path.join(root, bin.forcegrant)

let emulator
let folder
let reaching

before(async () => {
  emulator = await startEmulator()
  folder = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
  const caFile = path.join(folder, 'ca.pem')
  writeFileSync(caFile, emulator.caPem)
  reaching = {
    SALESFORCE_LOGIN_URL: emulator.org.myDomain,
    SALESFORCE_CLIENT_ID: emulator.org.clientId,
    SALESFORCE_CLIENT_SECRET: emulator.org.clientSecret,
    HTTPS_PROXY: emulator.proxy,
    NO_PROXY: '',
    SSL_CERT_FILE: caFile,
  }
})
beforeEach(() => emulator.control('reset'))
after(async () => {
  rmSync(folder, { recursive: true })
  await emulator.close()
})

/** Exit code and both outputs, without the settings of this machine. */
function outcome(file, args, env = {}, onStart) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      err += text
    })
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, out, err }))
    onStart?.(child)
  })
}

const run = (args, env, onStart) => outcome(process.execPath, [command, ...args], env, onStart)

test('output and exit code are those of the Rust program', async () => {
  const built = path.join(path.dirname(process.env.FORCEGRANT_EMULATOR), 'forcegrant')
  assert.ok(existsSync(built), 'build it first: cargo build --package forcegrant-cli')
  for (const args of [
    ['--help'],
    ['--version'],
    ['errors'],
    ['errors', 'no_run_as_user'],
    ['errors', 'no_such_code'],
    ['token'],
    ['doctor'],
    ['--bogus'],
    [],
  ]) {
    const expected = await outcome(built, args)
    assert.ok(expected.out || expected.err)
    assert.deepEqual(await run(args), expected, `forcegrant ${args.join(' ')}`)
  }
})

test('prints the token', async () => {
  const { code, out, err } = await run(['token'], reaching)
  assert.deepEqual({ code, err }, { code: 0, err: '' })
  const { sessions } = await emulator.control('sessions')
  assert.ok(JSON.stringify(sessions).includes(out.trim()))
  const json = await run(['token', '--json'], reaching)
  assert.equal(JSON.parse(json.out).org_id, emulator.org.orgId)
})

test('doctor finds the step that is wrong', async () => {
  assert.equal((await run(['doctor'], reaching)).code, 0)
  await emulator.control('configure', { my_domain: emulator.org.myDomain, app: { run_as: null } })
  const { code, out, err } = await run(['doctor'], reaching)
  assert.deepEqual({ code, err }, { code: 1, err: '' })
  assert.match(out, /Error code: no_run_as_user/)
  assert.ok(!out.includes(emulator.org.clientSecret))
})

test('Ctrl-C ends it in the middle of a login', async () => {
  await emulator.control('fault', { endpoint: 'token', kind: 'hold' })
  const ended = await run(['token'], reaching, async (child) => {
    await emulator.control('wait_requests', { endpoint: 'token', count: 1 })
    child.kill('SIGINT')
  })
  assert.deepEqual(ended, { code: null, signal: 'SIGINT', out: '', err: '' })
})
