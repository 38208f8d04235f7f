// The npm packages of a release are staged completely and under the right names, or not at all.
import assert from 'node:assert/strict'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { platformOf } from '../../bindings/node/scripts/binary.mjs'
import { manifest, root, run, stage } from './support/npm.mjs'

let home
let binaries

beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
  binaries = path.join(home, 'binaries')
  mkdirSync(binaries)
})
afterEach(() => rmSync(home, { recursive: true }))

const out = () => path.join(home, 'out')
const read = (name) => JSON.parse(readFileSync(path.join(out(), name, 'package.json'), 'utf8'))
const refusal = (...args) =>
  stage(out(), '--binaries', binaries, ...args).then(
    () => assert.fail('it was laid out'),
    ({ stderr }) => stderr,
  )

/** The beginning of a library, which is all that is read. */
const LIBRARIES = {
  'linux-x64-gnu': elf(0x3e, 'libc.so.6'),
  'linux-arm64-gnu': elf(0xb7, 'libc.so.6'),
  'linux-x64-musl': elf(0x3e, 'libc.musl-x86_64.so.1'),
  'linux-arm64-musl': elf(0xb7, 'libc.musl-aarch64.so.1'),
  'darwin-x64': machO(0x01000007),
  'darwin-arm64': machO(0x0100000c),
  'win32-x64-msvc': portableExecutable(0x8664),
  'win32-arm64-msvc': portableExecutable(0xaa64),
}

test('a whole release: the main package names every platform, each of which has its package', async () => {
  writeAll()
  const folders = await stage(out(), '--binaries', binaries, '--all')
  const names = Object.keys(LIBRARIES).map((platform) => `forcegrant-${platform}`)
  assert.deepEqual(folders.map((folder) => path.basename(folder)).sort(), ['forcegrant', ...names].sort())
  const { optionalDependencies, devDependencies, exports } = read('forcegrant')
  assert.deepEqual(Object.keys(optionalDependencies).sort(), names.sort())
  assert.equal(devDependencies, undefined)
  assert.deepEqual(exports, manifest.exports)
})

test('the packages of the platforms are those that the build tool would make', async () => {
  writeAll()
  await stage(out(), '--binaries', binaries)
  const napi = path.join(root, 'node_modules', '.bin', 'napi')
  copyFileSync(path.join(root, 'package.json'), path.join(home, 'package.json'))
  await run(napi, ['create-npm-dirs', '--npm-dir', 'theirs'], { cwd: home })
  const theirs = path.join(home, 'theirs')
  assert.equal(readdirSync(theirs).length, manifest.napi.targets.length)
  for (const folder of readdirSync(theirs)) {
    const {
      name,
      version,
      os: system,
      cpu,
      libc,
      main,
    } = JSON.parse(readFileSync(path.join(theirs, folder, 'package.json'), 'utf8'))
    const ours = read(name)
    assert.deepEqual(
      [ours.version, ours.os, ours.cpu, ours.libc, ours.main],
      [version, system, cpu, libc, `./${main}`],
    )
  }
})

test('a release that lacks a platform is refused, and named', async () => {
  writeAll()
  rmSync(path.join(binaries, 'forcegrant.win32-arm64-msvc.node'))
  assert.match(await refusal('--all'), /missing: forcegrant-win32-arm64-msvc\n/)
})

test('a binary under the name of another platform is refused', async () => {
  for (const [name, built] of [
    ['linux-x64-gnu', 'linux-x64-musl'],
    ['linux-arm64-gnu', 'linux-x64-gnu'],
    ['darwin-arm64', 'darwin-x64'],
    ['win32-x64-msvc', 'linux-x64-gnu'],
  ]) {
    write(name, LIBRARIES[built])
    const complaint = await refusal()
    assert.ok(complaint.includes(`forcegrant.${name}.node is ${built.replaceAll('-', ' ')}`), complaint)
    rmSync(path.join(binaries, `forcegrant.${name}.node`))
  }
})

test('what is no library is refused, and so is nothing at all', async () => {
  assert.match(await refusal(), /there is no binary/)
  write('linux-x64-gnu', Buffer.from('not found'))
  assert.match(await refusal(), /is no library for any platform/)
})

test('the platform of a cut or unknown library is not known', () => {
  for (const bytes of Object.values(LIBRARIES)) assert.equal(platformOf(bytes.subarray(0, 6)), undefined)
  assert.equal(platformOf(elf(0x28, 'libc.so.6')), undefined)
  assert.equal(platformOf(Buffer.alloc(0)), undefined)
})

function writeAll() {
  for (const [platform, bytes] of Object.entries(LIBRARIES)) write(platform, bytes)
}

function write(platform, bytes) {
  writeFileSync(path.join(binaries, `forcegrant.${platform}.node`), bytes)
}

function elf(machine, libc) {
  const header = Buffer.alloc(64)
  header.writeUInt32BE(0x7f454c46, 0)
  header.writeUInt16LE(machine, 18)
  return Buffer.concat([header, Buffer.from(`\0${libc}\0`)])
}

function machO(machine) {
  const header = Buffer.alloc(32)
  header.writeUInt32LE(0xfeedfacf, 0)
  header.writeUInt32LE(machine, 4)
  return header
}

function portableExecutable(machine) {
  const header = Buffer.alloc(128)
  header.write('MZ', 0, 'latin1')
  header.writeUInt32LE(64, 60)
  header.writeUInt32BE(0x50450000, 64)
  header.writeUInt16LE(machine, 68)
  return header
}
