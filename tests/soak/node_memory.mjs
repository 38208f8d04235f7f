// Searches the memory of a process for the client secret, while a client holds it and after it was dropped. A JavaScript
// string stays until the collector reuses its memory, which a program cannot request; a secret that the library read
// from a file must be gone.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { startEmulator } from 'forcegrant/testing'

const folder = mkdtempSync(path.join(os.tmpdir(), 'forcegrant-'))
const emulator = await startEmulator()
const { clientSecret, ...options } = emulator.clientOptions()
const file = path.join(folder, 'secret')
writeFileSync(file, clientSecret)
// The secret as text, which is also its form encoding, and in the two-byte strings of V8.
const forms = [Buffer.from(clientSecret, 'latin1'), Buffer.from(clientSecret, 'utf16le')]

for (const way of ['file', 'option', 'callback']) {
  const { held, left } = await look(way)
  console.log(
    `soak: secret from ${way}: found ${held} times while the client lives, ${left} times after it was dropped`,
  )
  assert.ok(held > 0, 'the search finds nothing')
  if (way === 'file') assert.equal(left, 0, 'the secret is left behind')
}
await emulator.close()
rmSync(folder, { recursive: true })

async function look(way) {
  const script = path.join(import.meta.dirname, 'fixtures', 'memory.mjs')
  const child = spawn(process.execPath, ['--expose-gc', script, way], {
    env: { PATH: process.env.PATH, TEST_CLIENT: JSON.stringify(options), TEST_SECRET_FILE: file },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  assert.equal((await lines.next()).value, 'holding')
  const held = count(child.pid)
  child.stdin.write('go on\n')
  assert.equal((await lines.next()).value, 'dropped')
  const left = count(child.pid)
  const ended = once(child, 'exit')
  child.stdin.end('go on\n')
  assert.deepEqual(await ended, [0, null])
  return { held, left }
}

/** How often the secret occurs in the writable memory of a process. */
function count(pid) {
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  let found = 0
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const region = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line)
    if (region === null) continue
    const [from, to] = region.slice(1).map((hex) => BigInt(`0x${hex}`))
    const bytes = Buffer.alloc(Number(to - from))
    // Memory that cannot be read, such as a mapped device, holds no secret of ours.
    const size = attempt(() => readSync(memory, bytes, 0, bytes.length, from)) ?? 0
    for (const form of forms) found += occurrences(bytes.subarray(0, size), form)
  }
  return found
}

function occurrences(bytes, form) {
  let found = 0
  for (let at = bytes.indexOf(form); at >= 0; at = bytes.indexOf(form, at + 1)) found += 1
  return found
}

function attempt(work) {
  try {
    return work()
  } catch {
    return undefined
  }
}
