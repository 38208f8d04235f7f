// Run after `npm install` has changed package-lock.json. A registry that mirrors the packages of some platforms
// only leaves the others out of the lock file, and `npm ci` then refuses it everywhere. This adds them by what
// their parents say: name, version and platform; their checksums are filled in by whoever can see them.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const OS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const CPU = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']

const root = path.join(import.meta.dirname, '..', '..', '..')
const file = path.join(root, process.argv[2] ?? '', 'package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
let added = 0
for (const { optionalDependencies = {} } of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const words = name.split('/').at(-1).split('-')
    const os = words.find((word) => OS.includes(word))
    const cpu = words.find((word) => CPU.includes(word))
    const key = `node_modules/${name}`
    // Optional packages that are for no platform in particular are none of this script's business.
    if (lock.packages[key] !== undefined || cpu === undefined) continue
    lock.packages[key] = { version, cpu: [cpu], dev: true, optional: true, ...(os && { os: [os] }) }
    added += 1
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${added} packages of other platforms added`)
