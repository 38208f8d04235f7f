// Runs a script of fixtures/ in a process of its own.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import path from 'node:path'

/** Resolves when the process has ended, with the time in `ended`. */
export function runFixture(name, { options = {}, env = {}, args = [], onOutput } = {}) {
  return new Promise((resolve, reject) => {
    const file = path.join(import.meta.dirname, '..', 'fixtures', name)
    const child = spawn(process.execPath, [...args, file], {
      env: { ...cleanEnvironment(), ...env, TEST_CLIENT: JSON.stringify(options) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const run = { child, stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text) => {
      run.stdout += text
      onOutput?.(text, child)
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      run.stderr += text
    })
    let ended
    child.once('exit', () => {
      ended = Date.now()
    })
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ ...run, code, signal, ended }))
  })
}

/** The process ended by itself and printed no error. */
export function assertClean({ code, signal, stderr }) {
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
}

/** The environment without the test runner's channel and this machine's proxies and credentials. */
function cleanEnvironment() {
  const unwanted = /^(NODE_|SALESFORCE_|SF_|SFDX_|.*_proxy$)/i
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !unwanted.test(name)))
}
