// Packs packages and installs them as a user does: into an empty folder, from the tarballs alone.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

export const run = promisify(execFile)
export const root = path.join(import.meta.dirname, '..', '..', '..')
export const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

/** Packs the package in a folder; the tarball goes to another. */
export async function pack(folder, into) {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', into], { cwd: folder })
  const output = JSON.parse(stdout)
  const [{ filename, files, version }] = Array.isArray(output) ? output : Object.values(output)
  return { file: path.join(into, filename), names: files.map(({ path: name }) => name).sort(), version }
}

/** Stages the packages of a release; resolves with its output, one folder per line. */
export async function stage(out, ...args) {
  const script = path.join(root, 'bindings', 'node', 'scripts', 'stage.mjs')
  const { stdout } = await run(process.execPath, [script, '--out', out, ...args])
  return stdout.trim().split('\n')
}

/** An empty folder in which the tarballs were installed. */
export async function installed(folder, files, environment) {
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }')
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', ...files], {
    cwd: folder,
    env: environment,
  })
  return folder
}

/** Runs a program of the repository's node_modules, which has to succeed. */
export async function tool(name, args) {
  const file = path.join(root, 'node_modules', '.bin', name)
  try {
    await run(file, args, { cwd: root, env: { ...process.env, NO_COLOR: '1' } })
  } catch (error) {
    assert.fail(`${name}: ${error.stdout}${error.stderr}`)
  }
}
