// The Node packages as a user gets them: laid out, packed, installed into an empty folder, used by import and by require.
import assert from 'node:assert/strict'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { installed, manifest, pack, root, run, stage, tool } from './support/npm.mjs'

const require = createRequire(import.meta.url)
const { native } = require('../../bindings/node/dist/loader.cjs')
const { version } = manifest
const BUDGET = 2.5 * 1024 * 1024

let home
/** The main package, that of this platform, and the emulator's. */
let main
let binary
let emulator
/** The package of the repository's root: everything for this platform in one file. */
let whole

before(async () => {
  home = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
  const [mainFolder, platformFolder, ...more] = await stage(path.join(home, 'staged'))
  assert.deepEqual(more, [], 'one binary was built here')
  const into = (name) => {
    mkdirSync(path.join(home, name))
    return path.join(home, name)
  }
  main = await pack(mainFolder, into('main'))
  binary = { name: path.basename(platformFolder), ...(await pack(platformFolder, into('binary'))) }
  emulator = await pack(path.join(root, 'bindings', 'node-emulator'), into('emulator'))
  whole = await pack(root, into('whole'))
})
after(() => rmSync(home, { recursive: true }))

test('the main package holds what the sources make, and no binary', () => {
  assert.deepEqual(main.names, compiled().sort())
})

test('the package of a platform holds the binary, the licences, and nothing else', () => {
  const platform = binary.name.replace(/^forcegrant-/, '')
  assert.ok(platform.startsWith(`${process.platform}-${process.arch}`))
  const expected = [
    'LICENSE-APACHE',
    'LICENSE-MIT',
    'README.md',
    `forcegrant.${platform}.node`,
    'package.json',
  ]
  assert.deepEqual(binary.names, expected.sort())
})

test('the root of the repository packs both in one, for this platform alone', () => {
  const file = binary.names.find((name) => name.endsWith('.node'))
  assert.deepEqual(whole.names, [...compiled(), `bindings/node/dist/${file}`].sort())
})

test('no package runs anything when it is installed', () => {
  for (const name of ['forcegrant', binary.name]) {
    const { scripts } = JSON.parse(readFileSync(path.join(home, 'staged', name, 'package.json'), 'utf8'))
    assert.equal(scripts, undefined)
  }
})

const unfinished = native().profile() !== 'release' && 'the binary here is a debug build; run: npm run build'
test('the packages stay within their size', { skip: unfinished }, () => {
  assert.ok(statSync(binary.file).size < BUDGET, `${statSync(binary.file).size} bytes`)
  assert.ok(statSync(main.file).size < BUDGET / 10, `${statSync(main.file).size} bytes`)
})

test('the emulator is a package of its own, and no part of the production packages', () => {
  assert.ok(emulator.names.includes(`bin/${process.platform}-${process.arch}/forcegrant-emulator`))
  assert.ok(![...main.names, ...binary.names].some((name) => /emulator[^.]*$/.test(name)))
})

const windows = process.platform === 'win32' && 'makes its PATH of symbolic links'
test('the packages install where there is no compiler and no network, and work by import and by require', {
  skip: windows,
}, async () => {
  const environment = bareEnvironment()
  const folder = await installed(
    path.join(home, 'bare'),
    [main.file, binary.file, emulator.file],
    environment,
  )
  await assertWorks(folder, environment)
  assert.deepEqual(
    readdirSync(path.join(folder, 'node_modules')).filter((name) => !name.startsWith('.')),
    ['forcegrant', 'forcegrant-emulator', binary.name].sort(),
  )
})

test('the one file of the root works alone', async () => {
  const folder = await installed(path.join(home, 'whole-alone'), [whole.file, emulator.file])
  await assertWorks(folder, withoutEmulator())
})

test('without the package of the platform, the error names it and the command that installs it', async () => {
  const folder = await installed(path.join(home, 'no-binary'), [main.file])
  const script =
    "new (require('forcegrant').Client)({ loginUrl: 'a.my.salesforce.com', clientId: 'i', clientSecret: 's' })"
  const failed = await run(process.execPath, ['-e', script], { cwd: folder }).catch((error) => error)
  assert.ok(failed.stderr.includes(`npm install ${binary.name}@${version}`), failed.stderr)
})

test('a package of the platform in another version is refused', async () => {
  const folder = await installed(path.join(home, 'mixed'), [main.file, binary.file])
  const file = path.join(folder, 'node_modules', 'forcegrant', 'package.json')
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), version: '9.9.9' }))
  const script =
    "new (require('forcegrant').Client)({ loginUrl: 'a.my.salesforce.com', clientId: 'i', clientSecret: 's' })"
  const failed = await run(process.execPath, ['-e', script], { cwd: folder }).catch((error) => error)
  assert.ok(
    failed.stderr.includes(`found version ${version} of its native part (${binary.name})`),
    failed.stderr,
  )
})

test('the root of the repository cannot be published by mistake', async () => {
  const failed = await run('npm', ['run', 'prepublishOnly'], { cwd: root }).catch((error) => error)
  assert.match(failed.stderr, /stage\.mjs/)
})

test('the emulator runs as a command', async () => {
  const folder = await installed(path.join(home, 'command'), [emulator.file])
  const { stdout } = await run(path.join(folder, 'node_modules', '.bin', 'forcegrant-emulator'), ['--help'])
  assert.match(stdout, /--exit-with-stdin/)
})

test('without its emulator, forcegrant/testing says how to get it', async () => {
  const folder = await installed(path.join(home, 'no-emulator'), [main.file, binary.file])
  writeFileSync(
    path.join(folder, 'start.mjs'),
    "import { startEmulator } from 'forcegrant/testing'\nawait startEmulator()",
  )
  const { CARGO_TARGET_DIR: _, ...env } = withoutEmulator()
  const failed = await run(process.execPath, ['start.mjs'], { cwd: folder, env }).catch((error) => error)
  assert.match(failed.stderr, /npm install --save-dev forcegrant-emulator/)
})

test('an entry whose library is missing says how to get it; those that bring no code of it load without', async () => {
  const folder = await installed(path.join(home, 'no-peers'), [main.file, binary.file])
  for (const [entry, library] of [
    ['jsforce', 'jsforce'],
    ['grpc', '@grpc/grpc-js'],
  ]) {
    for (const script of [`require('forcegrant/${entry}')`, `import('forcegrant/${entry}')`]) {
      const failed = await run(process.execPath, ['-e', script], { cwd: folder }).catch((error) => error)
      assert.ok(failed.stderr.includes(`forcegrant/${entry} needs the package ${library}`), failed.stderr)
      assert.ok(failed.stderr.includes(`npm install ${library}`), failed.stderr)
    }
  }
  for (const entry of ['axios', 'undici']) {
    await run(process.execPath, ['-e', `require('forcegrant/${entry}')`], { cwd: folder })
  }
})

test('its types work in both module systems', async () => {
  const folder = await installed(path.join(home, 'types'), [main.file])
  cpSync(path.join(root, 'tests', 'node', 'types'), path.join(folder, 'types'), { recursive: true })
  mkdirSync(path.join(folder, 'node_modules', '@types'), { recursive: true })
  for (const name of [path.join('@types', 'node'), 'undici-types']) {
    const from = path.join(root, 'node_modules', name)
    cpSync(from, path.join(folder, 'node_modules', name), { recursive: true })
  }
  cpSync(path.join(root, 'tests', 'node', 'tsconfig.json'), path.join(folder, 'tsconfig.json'))
  await tool('tsc', ['-p', folder])
})

test('publint and are-the-types-wrong find nothing', async () => {
  await tool('publint', ['run', main.file, '--strict'])
  await tool('attw', [main.file, '--profile', 'node16'])
})

test('every version is the same', () => {
  assert.equal(main.version, version)
  assert.equal(binary.version, version)
  assert.equal(emulator.version, version)
  assert.equal(native().version(), version)
  assert.equal(manifest.peerDependencies['forcegrant-emulator'], version)
  const { optionalDependencies } = JSON.parse(
    readFileSync(path.join(home, 'staged', 'forcegrant', 'package.json'), 'utf8'),
  )
  assert.deepEqual(new Set(Object.values(optionalDependencies)), new Set([version]))
})

test('the generated declarations are what the native part generates', async () => {
  const file = path.join(root, 'bindings', 'node', 'src-ts', 'native.d.cts')
  const committed = readFileSync(file, 'utf8')
  // The same build that made the binary, so that it has nothing to compile.
  const release = native().profile() === 'release' ? ['--', '--release'] : []
  await run('npm', ['run', 'build:native', ...release], { cwd: root })
  assert.equal(readFileSync(file, 'utf8'), committed)
})

/** The compiled TypeScript sources, and the other files of the package. */
function compiled() {
  const sources = readdirSync(path.join(root, 'bindings', 'node', 'src-ts'))
  const made = sources
    .filter((name) => !name.includes('.d.'))
    .flatMap((name) => [name.replace(/ts$/, 'js'), name.replace(/\.([cm]ts)$/, '.d.$1')])
    .map((name) => `bindings/node/dist/${name}`)
  return [...made, 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json']
}

async function assertWorks(folder, env) {
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
  for (const [script, expected] of [
    ['by-import.mjs', '112 https://acme.my.salesforce.com true\n'],
    ['by-require.cjs', '112 https://acme.my.salesforce.com\n'],
  ]) {
    const { stdout, stderr } = await run(process.execPath, [script], { cwd: folder, env })
    assert.deepEqual({ stdout, stderr }, { stdout: expected, stderr: '' })
  }
}

/** The emulator has to be found in its package. */
function withoutEmulator() {
  const { FORCEGRANT_EMULATOR: _, ...rest } = process.env
  return rest
}

/** A PATH with Node and a shell, without build tools. */
function bareEnvironment() {
  const bin = path.join(home, 'bin')
  mkdirSync(bin)
  const search = (process.env.PATH ?? '').split(path.delimiter)
  for (const name of ['node', 'npm', 'sh']) {
    const found = search
      .map((folder) => path.join(folder, name))
      .find((file) => statSync(file, { throwIfNoEntry: false }))
    symlinkSync(name === 'node' ? process.execPath : found, path.join(bin, name))
  }
  return { PATH: bin, HOME: home, npm_config_cache: path.join(home, 'npm-cache') }
}
