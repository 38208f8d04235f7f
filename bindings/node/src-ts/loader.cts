// Finds and loads the native part.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { InternalError } from './errors.cjs'
import type * as Native from './native.cjs'

/** @internal */
export type NativeModule = typeof Native

/** @internal What a release carries binaries for; a test compares it with `napi.targets` in package.json. */
export const PLATFORMS: readonly string[] = Object.freeze([
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
])

let loaded: NativeModule | undefined

/**
 * The native module, loaded at the first use: importing the package reads no binary and starts nothing.
 *
 * @internal
 */
export function native(): NativeModule {
  loaded ??= load()
  return loaded
}

/** The ES module that imported this one, or that a bundler made this one a part of. */
let esModule: string | undefined

/**
 * Tells where the package was imported from as an ES module: in a bundle that is one, this file has no name of its own.
 *
 * @internal
 * @param url the `import.meta.url` of the importing module
 */
export function importedFrom(url: string): void {
  esModule = url
}

function load(): NativeModule {
  // Said in one piece, so that a bundler sees it and takes the file in.
  const { version } = require('../../../package.json') as { version: string }
  const failures: unknown[] = []
  for (const place of places()) {
    for (const platform of candidates()) {
      for (const id of names(place, platform)) {
        let found: NativeModule
        try {
          found = createRequire(place)(id) as NativeModule
        } catch (error) {
          failures.push(error)
          continue
        }
        checkVersion(found, path.isAbsolute(id) ? 'the binary in its folder' : id, version)
        return found
      }
    }
  }
  throw missing(version, failures)
}

/**
 * The files that the binary is looked for from: those that hold this code. Neither the working directory nor the
 * arguments of the process are among them: a person who can put a file there must not choose what is loaded.
 *
 * A bundler can have put something else in the place of a name (`/index.js`, a path relative to the project, or a path
 * of the machine that made the bundle), so only an absolute path of a file that exists counts.
 */
function places(): string[] {
  const all: string[] = []
  if (typeof __filename === 'string') all.push(__filename)
  if (esModule?.startsWith('file:')) all.push(fileURLToPath(esModule))
  const folders = new Set<string>()
  return all.filter((file) => {
    const folder = path.dirname(file)
    if (!path.isAbsolute(file) || !existsSync(file) || folders.has(folder)) return false
    folders.add(folder)
    return true
  })
}

/** A binary in this very folder wins; a release keeps the binary of each platform in a package of its own. */
function names(place: string, platform: string): string[] {
  const file = path.join(path.dirname(place), `forcegrant.${platform}.node`)
  const name = `forcegrant-${platform}`
  return [...(existsSync(file) ? [file] : []), ...(isBelowWorkingDirectory(place, name) ? [] : [name])]
}

/** Whether Node would find a package by an entry of NODE_PATH that is relative, and so means the working directory. */
function isBelowWorkingDirectory(place: string, name: string): boolean {
  const folders = createRequire(place).resolve.paths(name) ?? []
  const first = folders.find((folder) => existsSync(path.join(folder, name)))
  return first !== undefined && !path.isAbsolute(first)
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
  throw internal(
    `version ${version} of the package forcegrant found version ${actual} of its native part (${from}).\n` +
      '  Two installations were mixed. Remove node_modules and the entries of forcegrant in the lock file,\n' +
      `  then run: npm install forcegrant@${version}`,
  )
}

function missing(version: string, failures: unknown[]): InternalError {
  const host = hostPlatform()
  const wanted = `forcegrant-${host}`
  // "Not found" is what one expects of the candidates that were not installed; anything else is the reason.
  const reason = failures.find((error) => (error as { code?: string }).code !== 'MODULE_NOT_FOUND')
  const what =
    `the native part of forcegrant for this platform (${process.platform} ${process.arch}, Node ${process.version}) ` +
    `${reason === undefined ? 'is not installed' : 'does not load'}.\n`
  const help = PLATFORMS.includes(host)
    ? `  It comes in the package ${wanted}, an optional dependency of forcegrant.\n` +
      '  Package managers leave it out when optional dependencies are off (npm: --omit=optional), or when the\n' +
      '  lock file or node_modules was made on another platform. A bundler must leave forcegrant out of the bundle\n' +
      '  (`external` in esbuild, `externals` in webpack, `serverExternalPackages` in Next.js), or the binary must lie\n' +
      '  beside the bundle.\n' +
      `  To fix it, run: npm install ${wanted}@${version}\n`
    : `  There is no package for ${host}; there are packages for ${PLATFORMS.join(', ')}.\n`
  const said = reason === undefined ? '' : `\n  The loader said: ${firstLine(reason)}`
  return internal(
    `${what}${help}  In a clone of the repository, run: npm run build${said}`,
    reason ?? failures[0],
  )
}

function internal(message: string, cause?: unknown): InternalError {
  return new InternalError({ code: 'internal', kind: 'internal', message, cause })
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
