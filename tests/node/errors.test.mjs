// Errors: classes with data, the same through import and require, with the caller in their stack.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import * as forcegrant from 'forcegrant'
import { startEmulator } from 'forcegrant/testing'

const require = createRequire(import.meta.url)
const { Client, ERROR_CODES, ForcegrantError, RefusedError, RequestTimeoutError, TransportError } = forcegrant
let emulator

before(async () => {
  emulator = await startEmulator()
})
beforeEach(() => emulator.control('reset'))
after(() => emulator?.close())

const CLASSES = {
  configuration: 'ConfigurationError',
  refused: 'RefusedError',
  login_rate: 'LoginRateError',
  timeout: 'RequestTimeoutError',
  transport: 'TransportError',
  unavailable: 'UnavailableError',
  response: 'ResponseError',
  token: 'TokenRejectedError',
  internal: 'InternalError',
}

test("the table of codes and classes is the core's", () => {
  const { makeError } = require('../../bindings/node/dist/errors.cjs')
  // A test of the core holds this table against its codes.
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` \| `(\w+)` \| `\w+` \|/gm)].map(([, code, kind]) => ({
    code,
    kind,
  }))
  assert.deepEqual(
    Object.fromEntries(rows.map(({ code, kind }) => [code, kind]).sort()),
    Object.fromEntries(Object.entries(ERROR_CODES).sort()),
  )
  for (const { code, kind } of rows) {
    const error = makeError({ code, kind, message: 'text' })
    const name = code === 'request_not_replayable' ? 'ReplayError' : CLASSES[kind]
    assert.equal(error.constructor, forcegrant[name], code)
    assert.equal(error.name, name)
    assert.ok(error instanceof forcegrant[CLASSES[kind]])
    assert.ok(error instanceof ForcegrantError && error instanceof Error)
  }
})

test("the core's errors name options as Node does", () => {
  const { loginUrl, clientId, clientSecret } = emulator.clientOptions()
  const builds = {
    maxClients: () => new forcegrant.ClientPool({ maxClients: 0 }),
    totalTimeout: () => new Client({ loginUrl, clientId, clientSecret, totalTimeout: 0 }),
    trustedHosts: () => new Client({ loginUrl: 'login.example.com', clientId, clientSecret }),
  }
  for (const [name, build] of Object.entries(builds)) {
    assert.throws(build, ({ message, help = '' }) => {
      assert.ok(message.includes(`\`${name}\``), message)
      assert.doesNotMatch(message + help, /`[a-z]+_[a-z_]+`/)
      return true
    })
  }
})

test('the classes form the tree that is documented', () => {
  const parents = Object.values(CLASSES).map((name) => [name, Object.getPrototypeOf(forcegrant[name]).name])
  assert.deepEqual(Object.fromEntries(parents), {
    ConfigurationError: 'ForcegrantError',
    RefusedError: 'ForcegrantError',
    LoginRateError: 'RefusedError',
    RequestTimeoutError: 'TransportError',
    TransportError: 'ForcegrantError',
    UnavailableError: 'ForcegrantError',
    ResponseError: 'ForcegrantError',
    TokenRejectedError: 'ForcegrantError',
    InternalError: 'ForcegrantError',
  })
})

test('import and require share their classes: instanceof holds across them', async () => {
  const required = require('forcegrant')
  for (const name of Object.keys(forcegrant)) {
    if (name === 'default' || name === 'module.exports') continue
    assert.equal(required[name], forcegrant[name], name)
  }
  const error = await failure(new required.Client(emulator.clientOptions({ clientSecret: 'wrong' })).token())
  assert.ok(error instanceof RefusedError)
})

test('an error about one value names it as the options do', async () => {
  const field = async (options) => (await failure(new Client(emulator.clientOptions(options)).token())).field
  assert.equal(await field({ clientSecret: 'wrong' }), 'clientSecret')
  assert.equal(await field({ clientId: '3MVG9nobody' }), 'clientId')
  assert.throws(() => new Client(emulator.clientOptions({ loginUrl: 'evil.example' })), { field: 'loginUrl' })
  await emulator.control('configure', { app: { run_as: null } })
  const error = await failure(new Client(emulator.clientOptions()).token())
  assert.ok(!('field' in error))
})

test('a refusal carries what Salesforce said and where to look', async () => {
  await emulator.control('configure', { app: { run_as: null } })
  const error = await failure(new Client(emulator.clientOptions()).token())
  const { code, kind, retryable, setupStep, httpStatus, oauthError, oauthDescription } = error
  assert.deepEqual(
    { code, kind, retryable, setupStep, httpStatus, oauthError, oauthDescription },
    {
      code: 'no_run_as_user',
      kind: 'refused',
      retryable: false,
      setupStep: 'run-as-user',
      httpStatus: 400,
      oauthError: 'invalid_grant',
      oauthDescription: 'no client credentials user enabled',
    },
  )
  assert.equal(error.name, 'RefusedError')
  assert.match(error.help, /Run As/)
  for (const line of error.help.split('\n')) assert.ok(error.message.includes(line))
  assert.ok(!Object.keys(error).includes('help'), 'the text is not shown twice')
})

test('the stack leads to the caller, through a shared wait too', async () => {
  const client = new Client(emulator.clientOptions({ clientSecret: 'wrong' }))
  async function firstOfTheCallers() {
    return await client.token()
  }
  async function secondOfTheCallers() {
    return await client.token()
  }
  const [first, second] = await Promise.all([failure(firstOfTheCallers()), failure(secondOfTheCallers())])
  assert.match(first.stack, /^RefusedError: /)
  assert.ok(first.stack.startsWith(`RefusedError: ${first.message}\n`))
  assert.match(first.stack, /at firstOfTheCallers .*errors\.test\.mjs/)
  assert.doesNotMatch(first.stack, /client\.cjs|secondOfTheCallers/)
  assert.match(second.stack, /at secondOfTheCallers .*errors\.test\.mjs/)
  assert.notEqual(first, second)
  assert.equal((await emulator.control('counters')).token_requests, 1)
})

test('a failure that still holds leads to its caller too, each time', async () => {
  const client = new Client(emulator.clientOptions({ clientSecret: 'wrong' }))
  await failure(client.token())
  async function whoComesLater() {
    return await client.token()
  }
  const [first, second] = [await failure(whoComesLater()), await failure(whoComesLater())]
  for (const error of [first, second]) assert.match(error.stack, /at whoComesLater .*errors\.test\.mjs/)
  assert.notEqual(first, second)
  assert.ok(first.retryAfter > 0)
  assert.equal((await emulator.control('counters')).token_requests, 1)
})

test('verify and the constructor lead to their callers too', async () => {
  const wrong = new Client(emulator.clientOptions({ clientSecret: 'wrong' }))
  async function whoVerifies() {
    return await wrong.verify()
  }
  assert.match((await failure(whoVerifies())).stack, /at whoVerifies .*errors\.test\.mjs/)
  const whoBuilds = () => new Client(emulator.clientOptions({ loginUrl: 'login.salesforce.com' }))
  assert.throws(whoBuilds, (error) => /at whoBuilds .*errors\.test\.mjs/.test(error.stack))
})

test('a time-out is a transport error with a class of its own', async () => {
  await emulator.control('fault', { endpoint: 'token', kind: 'hold' })
  const client = new Client(emulator.clientOptions({ attemptTimeout: 50, totalTimeout: 100 }))
  const error = await failure(client.token())
  assert.ok(error instanceof RequestTimeoutError && error instanceof TransportError)
  assert.equal(error.code, 'timeout')
  assert.equal(error.retryable, true)
})

test('what lies beneath a transport error is its cause', async () => {
  await emulator.close()
  try {
    const error = await failure(new Client(emulator.clientOptions({ maxAttempts: 1 })).token())
    assert.equal(error.code, 'connect_failed')
    assert.ok(error.cause instanceof Error)
    assert.ok(error.cause.message.length > 0)
  } finally {
    emulator = await startEmulator()
  }
})

test('retryAfter is in milliseconds', async () => {
  await emulator.control('fault', { endpoint: 'token', kind: '429_retry_after', params: { seconds: 90 } })
  const error = await failure(new Client(emulator.clientOptions({ maxAttempts: 1 })).token())
  assert.equal(error.code, 'rate_limited')
  assert.ok(error.retryAfter > 60_000 && error.retryAfter <= 90_000, `${error.retryAfter}`)
})

test('neither secret nor token is in anything that is printed', async () => {
  const canary = 'CANARY-5ecr3t-CANARY'
  const options = emulator.clientOptions({ clientSecret: canary })
  const client = new Client(options)
  const error = await failure(client.token())
  const shown = [client, error, client.status(), client.status().lastError]
  for (const value of shown) assert.doesNotMatch(inspect(value, { depth: 9, showHidden: true }), /CANARY/)
  for (const value of shown) assert.doesNotMatch(JSON.stringify(value), /CANARY/)

  const right = new Client(emulator.clientOptions())
  const token = await right.token()
  const { accessToken } = token
  for (const value of [token, right, right.status(), { token }, [token]]) {
    for (const text of [
      inspect(value, { depth: 9, showHidden: true }),
      JSON.stringify(value),
      String(value),
    ]) {
      assert.ok(!text.includes(accessToken))
      assert.ok(!text.includes(accessToken.slice(16)))
    }
  }
  assert.match(inspect(token), /accessToken: '\[redacted\]'/)
})

async function failure(promise) {
  const [{ reason }] = await Promise.allSettled([promise])
  assert.ok(reason instanceof ForcegrantError, `an error of this package: ${reason?.stack}`)
  return reason
}

test('docs/errors.md names the code that has a class of its own', () => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  assert.match(text, /^`request_not_replayable` has a class of its own in Python and Node: `ReplayError`/m)
})
