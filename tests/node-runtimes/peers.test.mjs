// The peer libraries of the Node package, at the oldest version that package.json allows: the tests of the
// adapters run again, on the packages of a release. And undici at its newest, which Node 20 cannot run.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { manifest, root } from '../packaging/support/npm.mjs'
import { makeHome, runtimes, start, tool } from './support.mjs'

const OLDEST = {
  '@grpc/grpc-js': 'grpc-oldest',
  axios: 'axios-oldest',
  jsforce: 'jsforce-oldest',
  undici: 'undici-oldest',
}
/** Each library with the files of tests/node that need it; most of them also need undici. */
const FILES = [
  ...['undici', 'fetch', 'axios', 'grpc', 'jsforce-connection', 'jsforce-apis', 'jsforce-streaming'],
  ...['destinations', 'canary'],
]
const NEWEST = { undici: 'undici-newest' }
const [node22] = runtimes.filter(({ name }) => name === 'Node 22')
let place
let newer

before(async () => {
  place = await makeHome()
  cpSync(path.join(root, 'tests', 'node'), path.join(place.home, 'tests'), { recursive: true })
  cpSync(path.join(root, 'tests', 'hostile-urls.json'), path.join(place.home, 'hostile-urls.json'))
  newer = path.join(path.dirname(place.home), 'newer')
  cpSync(place.home, newer, { recursive: true, verbatimSymlinks: true })
  put(OLDEST, place.home)
  put({ ...OLDEST, ...NEWEST }, newer)
})
after(() => place?.remove())

test('each library is tried at the oldest version that is declared', () => {
  const { 'forcegrant-emulator': _, ...declared } = manifest.peerDependencies
  const tried = Object.entries(OLDEST).map(([name, folder]) => [name, versionOf(folder)])
  assert.deepEqual(Object.fromEntries(tried), Object.fromEntries(Object.entries(declared).map(lowest)))
})

// These tests mostly wait.
describe('the adapters', { concurrency: 4 }, () => {
  for (const file of FILES) {
    test(`with the oldest versions: ${file}`, () => runs(process.execPath, file, place.home))
  }
  const skip = node22 === undefined && 'no Node 22 here'
  for (const file of ['undici', 'fetch', 'destinations']) {
    test(`with the newest undici, in Node 22: ${file}`, { skip }, () => runs(node22.program, file, newer))
  }
})

/** Libraries of this folder in the node_modules of another. */
function put(libraries, home) {
  for (const [name, folder] of Object.entries(libraries)) {
    const at = path.join(home, 'node_modules', name)
    mkdirSync(path.dirname(at), { recursive: true })
    symlinkSync(tool(folder), at, 'junction')
  }
}

/** A file of tests/node. */
async function runs(program, file, cwd) {
  const { FORCEGRANT_EMULATOR } = process.env
  const words = ['--test', '--test-reporter=tap', path.join('tests', `${file}.test.mjs`)]
  const run = await start(program, words, { cwd, env: { FORCEGRANT_EMULATOR } })
  const failed = run.stdout.split(/^ *(?=(?:not )?ok )/m).filter((each) => each.startsWith('not ok'))
  assert.deepEqual([run.code, failed], [0, []], run.stderr)
  assert.match(run.stdout, /^# pass [1-9]/m)
}

function versionOf(folder) {
  return JSON.parse(readFileSync(tool(folder, 'package.json'), 'utf8')).version
}

/** The lowest version of a range such as `^1.10.0` or `>=7`. */
function lowest([name, range]) {
  const [, numbers] = /^(?:\^|>=)(\d+(?:\.\d+){0,2})$/.exec(range)
  return [name, `${numbers}.0.0`.split('.').slice(0, 3).join('.')]
}
