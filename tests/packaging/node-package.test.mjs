// The Node packages as a user gets them: packed, installed into an empty folder, used by import and by require.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = path.join(import.meta.dirname, '..', '..')
const require = createRequire(import.meta.url)
const { native } = require('../../bindings/node/dist/loader.cjs')
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const BUDGET = 2.5 * 1024 * 1024

let home
let packed
let emulator

before(async () => {
  home = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
  packed = await pack(root)
  emulator = await pack(path.join(root, 'bindings', 'node-emulator'))
})
after(() => rmSync(home, { recursive: true }))

test('the package holds what it needs, and nothing else', () => {
  const names = packed.files.map(({ path: name }) => name).sort()
  const needed = ['package.json', 'LICENSE-MIT', 'LICENSE-APACHE']
  for (const entry of ['index', 'testing', 'axios', 'grpc', 'jsforce', 'undici']) {
    for (const ending of ['cjs', 'mjs', 'd.cts', 'd.mts'])
      needed.push(`bindings/node/dist/${entry}.${ending}`)
  }
  needed.push('bindings/node/dist/cli.cjs')
  for (const name of needed) assert.ok(names.includes(name), `${name} is missing`)
  const allowed =
    /^(package\.json|README\.md|LICENSE-(MIT|APACHE)|bindings\/node\/dist\/[a-z]+\.(cjs|mjs|d\.cts|d\.mts))$/
  const others = names.filter((name) => !allowed.test(name))
  assert.equal(others.length, 1, `besides the one binary: ${others}`)
  assert.match(others[0], /^bindings\/node\/dist\/forcegrant\.[a-z0-9-]+\.node$/)
})

const unfinished = native().profile() !== 'release' && 'the binary here is a debug build; run: npm run build'
test('the package stays within its size', { skip: unfinished }, () => {
  const { size } = statSync(packed.file)
  assert.ok(size < BUDGET, `${size} bytes`)
})

test('the emulator is a package of its own, and no part of the production package', () => {
  const names = emulator.files.map(({ path: name }) => name)
  assert.ok(names.includes(`bin/${process.platform}-${process.arch}/forcegrant-emulator`))
  assert.ok(!packed.files.some(({ path: name }) => /emulator[^.]*$/.test(name)))
})

test('installs into an empty folder, and works by import and by require', async () => {
  const folder = await installed('plain', [packed.file, emulator.file])
  writeFileSync(
    path.join(folder, 'by-import.mjs'),
    `import { Client, Token } from 'forcegrant'
     import { startEmulator } from 'forcegrant/testing'
     import { createRequire } from 'node:module'
     const emulator = await startEmulator()
     const sf = new Client(emulator.clientOptions())
     const { accessToken, instanceUrl } = await sf.token()
     const required = createRequire(import.meta.url)('forcegrant')
     console.log(accessToken.length, instanceUrl, required.Token === Token)
     await emulator.close()`,
  )
  writeFileSync(
    path.join(folder, 'by-require.cjs'),
    `const { Client } = require('forcegrant')
     const { startEmulator } = require('forcegrant/testing')
     async function main() {
       const emulator = await startEmulator()
       const sf = new Client(emulator.clientOptions())
       const { accessToken, instanceUrl } = await sf.token()
       console.log(accessToken.length, instanceUrl)
       await emulator.close()
     }
     main()`,
  )
  // Without the variable, so that the emulator is found in its package.
  const { FORCEGRANT_EMULATOR: _, ...env } = process.env
  for (const [script, expected] of [
    ['by-import.mjs', '112 https://acme.my.salesforce.com true\n'],
    ['by-require.cjs', '112 https://acme.my.salesforce.com\n'],
  ]) {
    const { stdout, stderr } = await run(process.execPath, [script], { cwd: folder, env })
    assert.deepEqual({ stdout, stderr }, { stdout: expected, stderr: '' })
  }
})

test('npx forcegrant is the command line', async () => {
  const folder = await installed('cli', [packed.file])
  const { stdout } = await run('npx', ['--no-install', 'forcegrant', '--version'], { cwd: folder })
  assert.equal(stdout, `forcegrant ${version}\n`)
})

test('the emulator runs as a command', async () => {
  const folder = await installed('command', [emulator.file])
  const { stdout } = await run(path.join(folder, 'node_modules', '.bin', 'forcegrant-emulator'), ['--help'])
  assert.match(stdout, /--exit-with-stdin/)
})

test('without its emulator, forcegrant/testing says how to get it', async () => {
  const folder = await installed('alone', [packed.file])
  writeFileSync(
    path.join(folder, 'start.mjs'),
    "import { startEmulator } from 'forcegrant/testing'\nawait startEmulator()",
  )
  const { FORCEGRANT_EMULATOR: _, CARGO_TARGET_DIR: __, ...env } = process.env
  const failed = await run(process.execPath, ['start.mjs'], { cwd: folder, env }).catch((error) => error)
  assert.match(failed.stderr, /npm install --save-dev forcegrant-emulator/)
})

test('its types work in both module systems', async () => {
  const folder = await installed('types', [packed.file])
  cpSync(path.join(root, 'tests', 'node', 'types'), path.join(folder, 'types'), { recursive: true })
  mkdirSync(path.join(folder, 'node_modules', '@types'), { recursive: true })
  cpSync(
    path.join(root, 'node_modules', '@types', 'node'),
    path.join(folder, 'node_modules', '@types', 'node'),
    { recursive: true },
  )
  cpSync(path.join(root, 'node_modules', 'undici-types'), path.join(folder, 'node_modules', 'undici-types'), {
    recursive: true,
  })
  cpSync(path.join(root, 'tests', 'node', 'tsconfig.json'), path.join(folder, 'tsconfig.json'))
  await tool('tsc', ['-p', folder])
})

test('publint and are-the-types-wrong find nothing', async () => {
  await tool('publint', ['run', packed.file, '--strict'])
  await tool('attw', [packed.file, '--profile', 'node16'])
})

test('every version is the same', async () => {
  assert.equal(packed.version, version)
  assert.equal(emulator.version, version)
  assert.equal(native().version(), version)
  const { peerDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  assert.equal(peerDependencies['forcegrant-emulator'], version)
})

test('the generated declarations are what the native part generates', async () => {
  const file = path.join(root, 'bindings', 'node', 'src-ts', 'native.d.cts')
  const committed = readFileSync(file, 'utf8')
  // The very build that made the binary, so that it has nothing to compile.
  const release = native().profile() === 'release' ? ['--', '--release'] : []
  await run('npm', ['run', 'build:native', ...release], { cwd: root })
  assert.equal(readFileSync(file, 'utf8'), committed)
})

async function pack(folder) {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', home], { cwd: folder })
  const answer = JSON.parse(stdout)
  const [{ filename, files, version: packedVersion }] = Array.isArray(answer) ? answer : Object.values(answer)
  return { file: path.join(home, filename), files, version: packedVersion }
}

async function installed(name, files) {
  const folder = path.join(home, name)
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }')
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', ...files], {
    cwd: folder,
  })
  return folder
}

async function tool(name, args) {
  const file = path.join(root, 'node_modules', '.bin', name)
  try {
    await run(file, args, { cwd: root, env: { ...process.env, NO_COLOR: '1' } })
  } catch (error) {
    assert.fail(`${name}: ${error.stdout}${error.stderr}`)
  }
}
