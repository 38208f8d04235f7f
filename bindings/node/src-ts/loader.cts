import { existsSync } from 'node:fs'
import path from 'node:path'
import { InternalError } from './errors.cjs'
import type * as Native from './native.cjs'

/** @internal */
export type NativeModule = typeof Native

let loaded: NativeModule | undefined

/**
 * The native module, loaded at the first use: importing the package reads no binary and starts nothing.
 *
 * @internal
 */
export function native(): NativeModule {
  loaded ??= load(__dirname, require)
  return loaded
}

/** @internal Apart from its state, for tests. */
export function load(folder: string, requireFrom: (id: string) => unknown): NativeModule {
  const { version } = requireFrom('../../../package.json') as { version: string }
  const failures: unknown[] = []
  for (const platform of candidates()) {
    const file = path.join(folder, `forcegrant.${platform}.node`)
    // A build of this very folder wins; a release keeps each platform's binary in a package of its own.
    for (const id of existsSync(file) ? [file, `forcegrant-${platform}`] : [`forcegrant-${platform}`]) {
      let found: NativeModule
      try {
        found = requireFrom(id) as NativeModule
      } catch (error) {
        failures.push(error)
        continue
      }
      checkVersion(found, id === file ? 'the binary in its folder' : id, version)
      return found
    }
  }
  throw missing(version, failures)
}

/** On Linux the C library decides; whichever package is there was chosen by the package manager. */
function candidates(): string[] {
  const { platform, arch } = process
  if (platform === 'linux') return [`linux-${arch}-gnu`, `linux-${arch}-musl`]
  if (platform === 'win32') return [`win32-${arch}-msvc`]
  return [`${platform}-${arch}`]
}

function checkVersion(found: NativeModule, from: string, version: string): void {
  const actual = typeof found.version === 'function' ? found.version() : 'unknown'
  if (actual === version) return
  throw new InternalError({
    code: 'internal',
    kind: 'internal',
    message:
      `version ${version} of the package forcegrant found version ${actual} of its native part (${from}).\n` +
      '  Two installations were mixed. Remove node_modules and the entries of forcegrant in the lock file,\n' +
      `  then run: npm install forcegrant@${version}`,
  })
}

function missing(version: string, failures: unknown[]): InternalError {
  const wanted = `forcegrant-${hostPlatform()}`
  // "Not found" is what one expects of the candidates that were not installed; anything else is the reason.
  const reason = failures.find((error) => (error as { code?: string }).code !== 'MODULE_NOT_FOUND')
  return new InternalError({
    code: 'internal',
    kind: 'internal',
    message:
      `the native part of forcegrant for this platform (${process.platform} ${process.arch}, Node ${process.version}) ` +
      `${reason === undefined ? 'is not installed' : 'does not load'}.\n` +
      `  It comes in the package ${wanted}, an optional dependency of forcegrant.\n` +
      '  Package managers leave it out when optional dependencies are off (npm: --omit=optional), or when the\n' +
      '  lock file or node_modules was made on another platform.\n' +
      `  To fix it, run: npm install ${wanted}@${version}\n` +
      '  In a clone of the repository, run: npm run build' +
      (reason === undefined ? '' : `\n  The loader said: ${firstLine(reason)}`),
    cause: reason ?? failures[0],
  })
}

function hostPlatform(): string {
  const [first = '', second] = candidates()
  return second !== undefined && !hasGlibc() ? second : first
}

/** Only for the message of an error, because a report takes milliseconds to write. */
function hasGlibc(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined
  return report?.header?.glibcVersionRuntime !== undefined
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? ''
}
