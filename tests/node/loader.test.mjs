// C9: a binary that is missing, broken or of another version is an error that names the way out.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'

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

/** Makes a package of a platform, still without its binary. */
function platformPackage(platform) {
  const folder = path.join(home, 'node_modules', `forcegrant-${platform}`)
  mkdirSync(folder, { recursive: true })
  const main = `forcegrant.${platform}.node`
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name: `forcegrant-${platform}`, main }))
  return folder
}
