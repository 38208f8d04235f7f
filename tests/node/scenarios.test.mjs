// The fifth runner of tests/scenarios: the cases that all three languages share.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startEmulator } from 'forcegrant/testing'
import { runScenario } from './support/scenario.mjs'
import { only } from './support/substitute.mjs'

const folder = process.env.FORCEGRANT_SCENARIO_DIR ?? path.join(import.meta.dirname, '..', 'scenarios')
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.json') && name !== 'schema.json')
  .sort()
const scenarios = files.flatMap((name) => {
  const file = JSON.parse(readFileSync(path.join(folder, name), 'utf8'))
  return only(file, ['$schema', 'about', 'scenarios'], name).scenarios
})
const { FORCEGRANT_SCENARIO: wanted, FORCEGRANT_SCENARIO_REPORT_DIR: reports } = process.env
const chosen = scenarios.filter(({ id }) => wanted === undefined || id.includes(wanted))
const ran = []
let emulator

before(async () => {
  emulator = await startEmulator()
})

after(async () => {
  await emulator?.close()
  if (reports === undefined || reports === '' || wanted !== undefined) return
  mkdirSync(reports, { recursive: true })
  writeFileSync(path.join(reports, 'node.json'), `${JSON.stringify({ runner: 'node', ran })}\n`)
})

test('there are scenarios', () => {
  assert.ok(scenarios.length > 0)
  assert.ok(chosen.length > 0, `none has "${wanted}" in its id`)
})

for (const scenario of chosen) {
  test(scenario.id, async () => {
    try {
      await runScenario(scenario, emulator)
    } catch (cause) {
      throw new Error(`${scenario.id}: ${cause.message}`, { cause })
    }
    ran.push(scenario.id)
  })
}
