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

const names = readdirSync(recipes).filter((name) => /^node-.*\.md$/.test(name))

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
