// The packages of a release, installed into an empty folder, and the runtimes that are tried with them.

import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { installed, pack, stage } from '../packaging/support/npm.mjs'

const modules = path.join(import.meta.dirname, 'node_modules')

/** The runtimes of this platform: a name, and the command before the name of a script. */
export const runtimes = [
  ...['20', '22', '24', '26'].map((major) => ({
    name: `Node ${major}`,
    program: path.join(modules, `node-${major}`, 'bin', 'node'),
    before: [],
  })),
  { name: 'Bun', program: packaged('@oven', 'bun'), before: [] },
  // Without prompts and updates. npm installed the packages, and Deno has to use them unchanged.
  {
    name: 'Deno',
    program: packaged('@deno', 'deno'),
    before: ['run', '--quiet', '--no-prompt', '--allow-all', '--node-modules-dir=manual'],
  },
].filter(({ program }) => program !== undefined && existsSync(program))

/** A folder with the packages in its node_modules, and with copies of `files`. */
export async function makeHome(...files) {
  const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'forcegrant-')))
  const folders = await stage(path.join(folder, 'staged'))
  const packed = await Promise.all(folders.map((each) => pack(each, folder)))
  const home = path.join(folder, 'home')
  await installed(
    home,
    packed.map(({ file }) => file),
  )
  for (const file of files) cpSync(path.join(import.meta.dirname, file), path.join(home, path.basename(file)))
  return { home, remove: () => rmSync(folder, { recursive: true }) }
}

/** A .env file that names the emulated org, and its proxy. */
export function dotenv({ org, proxy }) {
  return `SALESFORCE_LOGIN_URL=${org.myDomain}
SALESFORCE_CLIENT_ID="${org.clientId}"
SALESFORCE_CLIENT_SECRET='${org.clientSecret}'
HTTPS_PROXY=${proxy}
`
}

/** A program of this folder's node_modules. */
export function tool(...names) {
  return path.join(modules, ...names)
}

/** Runs a program in a folder, without the variables of this process that could affect it. */
export function start(program, args, { cwd, env = {}, limit = 180_000 }) {
  return new Promise((resolve, reject) => {
    const { PATH } = process.env
    const child = spawn(program, args, {
      cwd,
      env: { PATH, HOME: cwd, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const run = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (text) => {
        run[name] += text
      })
    }
    const timer = setTimeout(() => {
      run.stderr += `\nended after ${limit} ms`
      child.kill('SIGKILL')
    }, limit)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ ...run, code, signal })
    })
  })
}

/** The program in the package of this platform; the packages themselves would fetch it by a script. */
function packaged(scope, name) {
  const folder = path.join(modules, scope)
  if (!existsSync(folder)) return undefined
  for (const platform of readdirSync(folder)) {
    for (const file of [path.join(folder, platform, 'bin', name), path.join(folder, platform, name)]) {
      if (existsSync(file)) return file
    }
  }
  return undefined
}
