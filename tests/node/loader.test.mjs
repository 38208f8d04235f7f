// A binary that is missing, broken or of another version is an error that says what to do.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { pathToFileURL } from 'node:url'

const root = path.join(import.meta.dirname, '..', '..')
let home

beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
  cpSync(path.join(root, 'package.json'), path.join(home, 'package.json'))
  cpSync(path.join(root, 'bindings', 'node', 'dist'), dist(), { recursive: true })
})
afterEach(() => rmSync(home, { recursive: true }))

const options = { loginUrl: 'acme.my.salesforce.com', clientId: 'id', clientSecret: 'secret' }
const dist = () => path.join(home, 'bindings', 'node', 'dist')
const binaries = () => readdirSync(dist()).filter((name) => name.endsWith('.node'))
const load = () => createRequire(path.join(home, 'index.js'))(path.join(dist(), 'index.cjs'))
const { version, napi } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

function loadError() {
  const { Client, InternalError } = load()
  try {
    new Client(options)
  } catch (error) {
    assert.ok(error instanceof InternalError)
    assert.equal(error.code, 'internal')
    return error
  }
  return assert.fail('it loaded')
}

test('the copy works as it is', () => {
  assert.equal(new (load().Client)(options).loginHost, 'acme.my.salesforce.com')
})

test('no binary: the error names the platform, its package, and the command that installs it', () => {
  for (const name of binaries()) rmSync(path.join(dist(), name))
  const { message } = loadError()
  assert.match(message, new RegExp(`${process.platform} ${process.arch}`))
  assert.match(message, /is not installed/)
  const wanted = message.match(/npm install (forcegrant-\S+)@(\S+)/)
  assert.match(wanted[1], new RegExp(`^forcegrant-${process.platform}-${process.arch}`))
  assert.equal(wanted[2], version)
})

test('a binary that does not load: the error says so, and what the system said', () => {
  for (const name of binaries()) writeFileSync(path.join(dist(), name), 'not a library')
  const error = loadError()
  assert.match(error.message, /does not load/)
  assert.match(error.message, /The loader said: .+/)
  assert.equal(error.cause.code, 'ERR_DLOPEN_FAILED')
})

test('a binary of another version: the error names both versions and the way out', () => {
  const changed = { ...JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')), version: '9.9.9' }
  writeFileSync(path.join(home, 'package.json'), JSON.stringify(changed))
  const { message } = loadError()
  assert.match(message, /version 9\.9\.9 of the package forcegrant found version/)
  assert.ok(message.includes(version))
  assert.match(message, /npm install forcegrant@9\.9\.9/)
})

test('importing the package alone needs no binary: its classes are there', () => {
  for (const name of binaries()) rmSync(path.join(dist(), name))
  assert.equal(typeof load().ForcegrantError, 'function')
})

test('a release keeps the binary in the package of its platform', () => {
  const [file] = binaries()
  const platform = file.split('.')[1]
  const folder = platformPackage(platform)
  cpSync(path.join(dist(), file), path.join(folder, file))
  rmSync(path.join(dist(), file))
  assert.equal(new (load().Client)(options).loginHost, 'acme.my.salesforce.com')
})

test('a package of the platform that does not load: the error names it and what the system said', () => {
  const platform = binaries()[0].split('.')[1]
  for (const name of binaries()) rmSync(path.join(dist(), name))
  writeFileSync(path.join(platformPackage(platform), `forcegrant.${platform}.node`), 'not a library')
  const { message } = loadError()
  assert.match(message, /does not load/)
  assert.match(message, /The loader said: .+/)
})

test('on Linux, the package of the other C library serves when the first does not load', {
  skip: process.platform !== 'linux' && 'only Linux has two',
}, () => {
  const [file] = binaries()
  const [here, other] = ['gnu', 'musl'].map((abi) => `linux-${process.arch}-${abi}`)
  cpSync(path.join(dist(), file), path.join(platformPackage(other), `forcegrant.${other}.node`))
  rmSync(path.join(dist(), file))
  writeFileSync(path.join(platformPackage(here), `forcegrant.${here}.node`), 'not a library')
  assert.equal(new (load().Client)(options).loginHost, 'acme.my.salesforce.com')
})

test('a platform without a package: the error says which there are', () => {
  for (const name of binaries()) rmSync(path.join(dist(), name))
  const real = Object.getOwnPropertyDescriptor(process, 'platform')
  Object.defineProperty(process, 'platform', { ...real, value: 'sunos' })
  try {
    const { message } = loadError()
    assert.match(
      message,
      new RegExp(`There is no package for sunos-${process.arch}; there are .*darwin-arm64`),
    )
    assert.doesNotMatch(message, /npm install/)
  } finally {
    Object.defineProperty(process, 'platform', real)
  }
})

test('the loader knows the platforms that a release is built for', async () => {
  const { parseTriple } = await import('@napi-rs/cli')
  const { PLATFORMS } = createRequire(import.meta.url)(path.join(dist(), 'loader.cjs'))
  assert.deepEqual(
    PLATFORMS,
    napi.targets.map((triple) => parseTriple(triple).platformArchABI),
  )
})

// A user who can write to the working directory of a service must not choose the code that it loads.
for (const [name, prepare] of Object.entries({
  'the package as it is': () => ({}),
  'a bundle whose file name is that of no file': () => renamed('/index.js'),
  'a bundle whose file name is relative': () => renamed('index.js'),
  'a bundle whose file name is relative, with a folder': () => renamed('./bindings/node/dist/loader.cjs'),
  'a bundle without a file name': () => renamed(undefined),
  'NODE_PATH with relative entries': () => ({ NODE_PATH: ['.', 'node_modules'].join(path.delimiter) }),
  'arguments that name files in the working directory': () => ({ args: ['index.js', './index.js'] }),
})) {
  test(`what lies in the working directory is not loaded: ${name}`, () => {
    const cwd = path.join(home, 'cwd')
    plant(cwd)
    for (const each of binaries()) rmSync(path.join(dist(), each))
    const { args = [], ...env } = prepare()
    const program = `const { Client } = require(${JSON.stringify(path.join(dist(), 'index.cjs'))})
      try { new Client(${JSON.stringify(options)}) } catch ({ message }) { console.log(message) }
      console.log(globalThis.planted, Object.keys(require('node:module')._cache).filter((file) => file.startsWith(process.cwd())))`
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', program, ...args], {
      cwd,
      env: { PATH: process.env.PATH, ...env },
      encoding: 'utf8',
    })
    assert.equal(stderr, '')
    assert.match(stdout, /is not installed/)
    assert.match(stdout, /undefined \[\]\n$/)
  })
}

test('a relative entry of NODE_PATH does not hide the package that lies beside this one', () => {
  const [file] = binaries()
  const platform = file.split('.')[1]
  cpSync(path.join(dist(), file), path.join(platformPackage(platform), file))
  rmSync(path.join(dist(), file))
  const program = `const { Client } = require(${JSON.stringify(path.join(dist(), 'index.cjs'))})
    console.log(new Client(${JSON.stringify(options)}).loginHost)`
  const env = { PATH: process.env.PATH, NODE_PATH: 'node_modules' }
  const { stdout } = spawnSync(process.execPath, ['-e', program], { cwd: home, env, encoding: 'utf8' })
  assert.equal(stdout, `${options.loginUrl}\n`)
})

test('one place after the other: the second name here comes before the first name elsewhere', () => {
  const { native, importedFrom } = createRequire(import.meta.url)(path.join(dist(), 'loader.cjs'))
  const [file] = binaries()
  const second = path.join(home, 'second')
  mkdirSync(second)
  cpSync(path.join(dist(), file), path.join(second, file))
  writeFileSync(path.join(second, 'bundle.mjs'), '')
  // The folder of this code comes first, with all possible file names.
  const [, ...rest] = file.split('.')
  const other = ['forcegrant', rest[0].replace(/gnu$/, 'musl'), 'node'].join('.')
  if (other !== file) {
    rmSync(path.join(dist(), file))
    cpSync(path.join(second, file), path.join(dist(), other))
  }
  importedFrom(pathToFileURL(path.join(second, 'bundle.mjs')).href)
  assert.equal(native().version(), version)
  const loaded = Object.keys(createRequire(import.meta.url).cache).filter((each) => each.startsWith(home))
  assert.ok(!loaded.some((each) => each.startsWith(second)), String(loaded))
})

/** Runs the loader under a name that a bundler might give it. */
function renamed(name) {
  const file = path.join(dist(), 'loader.cjs')
  const text = readFileSync(file, 'utf8')
  const changed = text.replaceAll('__filename', name === undefined ? 'undefined' : JSON.stringify(name))
  assert.notEqual(changed, text)
  writeFileSync(file, changed)
  return {}
}

/** Puts everything that the loader might mistake for the native part into a folder. */
function plant(folder) {
  const [file] = binaries()
  const { PLATFORMS } = createRequire(import.meta.url)(path.join(dist(), 'loader.cjs'))
  for (const platform of PLATFORMS) {
    for (const place of ['.', 'dist', 'bindings/node/dist']) {
      mkdirSync(path.join(folder, place), { recursive: true })
      linkSync(path.join(dist(), file), path.join(folder, place, `forcegrant.${platform}.node`))
    }
    for (const place of ['.', 'node_modules']) {
      const home = path.join(folder, place, `forcegrant-${platform}`)
      mkdirSync(home, { recursive: true })
      writeFileSync(path.join(home, 'index.js'), "globalThis.planted = 'planted'; throw new Error('planted')")
    }
  }
  writeFileSync(path.join(folder, 'index.js'), '')
}

/** Makes a package of a platform, still without its binary. */
function platformPackage(platform) {
  const folder = path.join(home, 'node_modules', `forcegrant-${platform}`)
  mkdirSync(folder, { recursive: true })
  const main = `forcegrant.${platform}.node`
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name: `forcegrant-${platform}`, main }))
  return folder
}
