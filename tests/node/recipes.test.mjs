// The code of docs/recipes/node-*.md runs and prints the documented output. Only the way to the emulator is added.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { startEmulator } from 'forcegrant/testing'
import { assertClean, runFixture } from './support/child.mjs'

const recipes = path.join(import.meta.dirname, '..', '..', 'docs', 'recipes')
let emulator
let folder

before(async () => {
  emulator = await startEmulator()
  // Below the tests, so that packages are found.
  folder = mkdtempSync(path.join(import.meta.dirname, 'fixtures', '.recipe-'))
})
beforeEach(() => emulator.control('reset'))
after(async () => {
  rmSync(folder, { recursive: true })
  await emulator?.close()
})

// An application, which is called by what stands after it.
const EXPRESS = 'node-express.md'
const names = readdirSync(recipes).filter((name) => /^node-.*\.md$/.test(name) && name !== EXPRESS)

test('there are recipes', () => assert.ok(names.length >= 6))

for (const name of names) {
  test(`${name} runs, and prints what it says`, async () => {
    const text = readFileSync(path.join(recipes, name), 'utf8')
    const [[, code], ...others] = text.matchAll(/^```js\n(.*?)^```$/gms)
    assert.equal(others.length, 0, 'one script in a recipe')
    const [, expected] = /^```text\n(.*?)^```$/ms.exec(text)
    const file = path.join(folder, name.replace('.md', '.mjs'))
    const client = 'new Client({ ...JSON.parse(process.env.TEST_CLIENT),'
    const script = code.replace('Client.fromEnv()', `${client} })`).replace('new Client({\n', `${client}\n`)
    assert.notEqual(script, code)
    writeFileSync(file, script)
    const { https, caPem, org } = emulator
    const options = emulator.clientOptions()
    const brings = /credentialsCallback/.test(code)
    const run = await runFixture(path.relative(path.join(import.meta.dirname, 'fixtures'), file), {
      args: ['--import', path.join(import.meta.dirname, 'support', 'to-emulator.mjs')],
      options: brings ? { ...options, clientId: null, clientSecret: null } : options,
      env: {
        TEST_EMULATOR: JSON.stringify({ https, caPem }),
        SALESFORCE_CLIENT_ID: org.clientId,
        SALESFORCE_CLIENT_SECRET: org.clientSecret,
      },
    })
    assertClean(run)
    assert.equal(run.stdout, expected)
    assert.equal((await emulator.control('counters')).token_requests, 1)
  })
}

const CALLS = `
const server = app.listen(0, '127.0.0.1', async () => {
  const url = \`http://127.0.0.1:\${server.address().port}/connections/acme\`
  const values = JSON.parse(process.env.TEST_VALUES)
  const wrong = { ...values, clientSecret: '0123456789ABCDEF'.repeat(4), loginUrl: '"><script>' }
  const show = async (response) => console.log(response.status, (await response.text()).replaceAll('\\n', ' '))
  await show(await fetch(url))
  for (const given of [wrong, { ...wrong, loginUrl: values.loginUrl }, values]) {
    await show(await fetch(url, { method: 'POST', body: new URLSearchParams(given) }))
  }
  await show(await fetch(\`\${url}/org\`))
  server.close()
  server.closeAllConnections()
})
`

test('the form in an Express application', async () => {
  const text = readFileSync(path.join(recipes, EXPRESS), 'utf8')
  const [, code] = /^```js\n(.*?)^```$/ms.exec(text)
  assert.ok(code.split('\n').length <= 60)
  const file = path.join(folder, 'express.mjs')
  writeFileSync(file, code + CALLS)
  const certificates = path.join(folder, 'ca.pem')
  writeFileSync(certificates, emulator.caPem)
  const { myDomain, clientId, clientSecret, orgId } = emulator.org
  const run = await runFixture(path.relative(path.join(import.meta.dirname, 'fixtures'), file), {
    env: {
      FORCEGRANT_CONNECTIONS: path.join(folder, 'connections'),
      HTTPS_PROXY: emulator.proxy,
      SSL_CERT_FILE: certificates,
      TEST_VALUES: JSON.stringify({ loginUrl: myDomain, clientId, clientSecret }),
    },
  })
  assertClean(run)
  const [form, hostile, refused, saved, org] = run.stdout.split('\n')
  assert.match(form, /name=clientSecret value="" +type=password aria-invalid=false/)
  assert.match(hostile, /^422 .*name=loginUrl [^>]*aria-invalid=true/)
  assert.match(refused, /^422 .*Copy the key and the secret.*name=clientSecret [^>]*aria-invalid=true/)
  assert.match(saved, /^201 /)
  assert.equal(org, `200 ${JSON.stringify({ orgId })}`)
  for (const secret of ['0123456789ABCDEF', clientSecret, '<script>']) assert.ok(!run.stdout.includes(secret))
})
