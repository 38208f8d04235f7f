// Before packing: brings the program that cargo built for this platform, and the licences, into the package.
import { chmodSync, copyFileSync, existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'

const home = path.join(import.meta.dirname, '..')
const root = path.join(home, '..', '..')
const program = process.platform === 'win32' ? 'forcegrant-emulator.exe' : 'forcegrant-emulator'
const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target')
const triple = process.env.CARGO_BUILD_TARGET ?? ''
const built = ['release', 'debug']
  .flatMap((profile) => [path.join(target, triple, profile, program), path.join(target, profile, program)])
  .find((file) => existsSync(file))
if (built === undefined) {
  console.error('forcegrant-emulator is not built; run: cargo build --release -p forcegrant-emulator')
  process.exit(1)
}
const folder = path.join(home, 'bin', `${process.platform}-${process.arch}`)
mkdirSync(folder, { recursive: true })
copyFileSync(built, path.join(folder, program))
chmodSync(path.join(folder, program), 0o755)
for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) {
  copyFileSync(path.join(root, licence), path.join(home, licence))
}
