const { existsSync } = require('node:fs')
const path = require('node:path')

const program = process.platform === 'win32' ? 'forcegrant-emulator.exe' : 'forcegrant-emulator'

/** The path of the program for this platform. */
exports.binaryPath = function binaryPath() {
  const here = path.join(__dirname, 'bin', `${process.platform}-${process.arch}`, program)
  if (existsSync(here)) return here
  throw new Error(
    `forcegrant-emulator: this package holds no program for ${process.platform} ${process.arch}.\n` +
      '  Build it with: cargo install forcegrant-emulator\n' +
      '  and name it in the environment variable FORCEGRANT_EMULATOR.',
  )
}
