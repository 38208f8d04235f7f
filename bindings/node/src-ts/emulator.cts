// The emulator of Salesforce, run as a child process for tests.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { ClientOptions } from './options.cjs'

/** What {@link startEmulator} can be told. */
export interface EmulatorOptions {
  /** The orgs to start with, in the emulator's own form; three orgs with an app each when left out. */
  config?: Record<string, unknown> | null | undefined
  /** The program to run; found by itself when left out. */
  binary?: string | null | undefined
}

/** The org that needs no configuration. Its credentials work nowhere else. */
export interface EmulatorOrg {
  /** Its host name. */
  readonly myDomain: string
  /** The app's consumer key. */
  readonly clientId: string
  /** The app's consumer secret. */
  readonly clientSecret: string
  /** 18 characters. */
  readonly orgId: string
  /** Of the user that the app runs as; 18 characters. */
  readonly userId: string
  /** Of that user. */
  readonly username: string
  /** Where API calls go. */
  readonly instanceUrl: string
}

/** A response of the emulator's control API. */
export type ControlAnswer = { ok: true } & Record<string, unknown>

/** The emulator does not start, or refuses a request. */
export class EmulatorError extends Error {}
Object.defineProperty(EmulatorError.prototype, 'name', { value: 'EmulatorError', configurable: true })

type Child = ChildProcessByStdio<Writable, Readable, Readable>

interface Announced {
  https: string
  http: string
  proxy: string
  control: string
  ca_pem: string
  org: Record<string, string>
}

/** A Salesforce org on this machine's loopback interface, running in a process of its own. */
export interface Emulator {
  /** The org that is there from the start. */
  readonly org: EmulatorOrg
  /** Host and port of the TLS listener. */
  readonly https: string
  /** Host and port of the plain HTTP listener, which only redirects. */
  readonly http: string
  /** URL of an HTTP proxy that takes every host name to the emulator: for clients that cannot be told addresses. */
  readonly proxy: string
  /** The throw-away certificate authority that signed its certificates. */
  readonly caPem: string
  /** One request to the control API: `control('kill_sessions')`, `control('advance', { seconds: 60 })`. */
  control(op: string, fields?: Record<string, unknown>): Promise<ControlAnswer>
  /** Options for a client of the default org that shares its token with no other; whatever is given wins. */
  clientOptions(options?: Partial<ClientOptions>): ClientOptions
  /** Ends the emulator; resolves when its process is gone. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts an emulator and waits until it listens.
 *
 * The program comes in the package `forcegrant-emulator`, or is named by the environment variable
 * `FORCEGRANT_EMULATOR`. It ends with this process at the latest, and does not keep this process alive.
 */
export async function startEmulator(options?: EmulatorOptions | null): Promise<Emulator> {
  const binary = options?.binary ?? findBinary()
  const child = spawn(binary, ['--exit-with-stdin'], { stdio: ['pipe', 'pipe', 'pipe'] })
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const announced = await firstLine(child, binary)
  // From here on nothing of the child may keep this process alive: a test that forgets it still ends.
  child.unref()
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as { unref?(): void }).unref?.()

  const emulator = new RunningEmulator(child, announced, gone)
  if (options?.config) await emulator.control('reset', { config: options.config })
  return emulator
}

class RunningEmulator implements Emulator {
  readonly org: EmulatorOrg
  readonly https: string
  readonly http: string
  readonly proxy: string
  readonly caPem: string
  readonly #child: Child
  readonly #control: string
  readonly #gone: Promise<void>

  constructor(child: Child, announced: Announced, gone: Promise<void>) {
    const { org } = announced
    this.#child = child
    this.#control = announced.control
    this.#gone = gone
    this.https = announced.https
    this.http = announced.http
    this.proxy = announced.proxy
    this.caPem = announced.ca_pem
    this.org = Object.freeze({
      myDomain: org['my_domain'] ?? '',
      clientId: org['client_id'] ?? '',
      clientSecret: org['client_secret'] ?? '',
      orgId: org['org_id'] ?? '',
      userId: org['user_id'] ?? '',
      username: org['username'] ?? '',
      instanceUrl: org['instance_url'] ?? '',
    })
  }

  async control(op: string, fields?: Record<string, unknown>): Promise<ControlAnswer> {
    const response = await postJson(this.#control, { ...fields, op })
    if (response['ok'] !== true) throw new EmulatorError(`the emulator refuses "${op}": ${response['error']}`)
    return response as ControlAnswer
  }

  clientOptions(options?: Partial<ClientOptions>): ClientOptions {
    const { myDomain, clientId, clientSecret } = this.org
    return {
      loginUrl: myDomain,
      clientId,
      clientSecret,
      roots: this.caPem,
      proxy: null,
      // A test that resets the emulator would meet the tokens of the test before it.
      store: 'off',
      ...options,
      resolve: { [myDomain]: this.https, ...options?.resolve },
    } as ClientOptions
  }

  async close(): Promise<void> {
    this.#child.ref()
    this.#child.stdin.end()
    await this.#gone
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function findBinary(): string {
  const named = process.env['FORCEGRANT_EMULATOR']
  if (named) return named
  try {
    const { binaryPath } = require('forcegrant-emulator') as { binaryPath(): string }
    return binaryPath()
  } catch (error) {
    if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error
  }
  // A clone of the repository: what cargo built last, in the plain or the per-target folder.
  const root = path.join(__dirname, '..', '..', '..')
  const program = process.platform === 'win32' ? 'forcegrant-emulator.exe' : 'forcegrant-emulator'
  const target = process.env['CARGO_TARGET_DIR'] ?? path.join(root, 'target')
  const triple = process.env['CARGO_BUILD_TARGET'] ?? ''
  for (const profile of ['debug', 'release']) {
    for (const folder of [path.join(target, triple, profile), path.join(target, profile)]) {
      const file = path.join(folder, program)
      if (existsSync(file)) return file
    }
  }
  throw new EmulatorError(
    'the program forcegrant-emulator is not there. Install it with: npm install --save-dev forcegrant-emulator\n' +
      '  or name it in the environment variable FORCEGRANT_EMULATOR.',
  )
}

/** The one line that the emulator prints when it listens. */
function firstLine(child: Child, binary: string): Promise<Announced> {
  return new Promise((resolve, reject) => {
    let printed = ''
    let complaint = ''
    const fail = (why: string) =>
      reject(new EmulatorError(`${binary} ${why}${complaint && `: ${complaint}`}`))
    child.once('error', (error) => fail(`does not start (${error.message})`))
    child.once('close', (code, signal) =>
      fail(`ended with ${signal ?? `exit code ${code}`} before it was ready`),
    )
    // A child that is gone already: the close event tells.
    child.stdin.on('error', () => {})
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2000)
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text
      const end = printed.indexOf('\n')
      if (end < 0) return
      child.stdout.removeAllListeners('data').resume()
      try {
        resolve(JSON.parse(printed.slice(0, end)) as Announced)
      } catch {
        fail(`announced itself with something else than JSON: ${printed.slice(0, 200)}`)
      }
    })
  })
}

/** By `node:http` and not by `fetch`: no proxy, and no kept connection that outlives the call. */
function postJson(url: string, body: unknown): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const outgoing = request(url, { method: 'POST', agent: false, headers }, (response) => {
      let received = ''
      response
        .setEncoding('utf8')
        .on('data', (chunk: string) => {
          received += chunk
        })
        .on('error', reject)
        .on('end', () => {
          try {
            resolve(JSON.parse(received) as Record<string, unknown>)
          } catch (cause) {
            reject(
              new EmulatorError(`the emulator responded with ${response.statusCode} and no JSON`, { cause }),
            )
          }
        })
    })
    outgoing.on('error', reject).end(text)
  })
}
