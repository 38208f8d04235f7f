// A service bundled with esbuild, with the package outside or inside the bundle; the binary always stays outside.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { build } from 'esbuild'
import { rolldown } from 'rolldown'
import { startEmulator } from '../../bindings/node/dist/testing.mjs'
import { makeHome, start } from './support.mjs'

let emulator
let place

before(async () => {
  emulator = await startEmulator()
  place = await makeHome('scripts/app.mjs')
})
after(async () => {
  place?.remove()
  await emulator?.close()
})

// esbuild requires this when it bundles CommonJS into an ES module.
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)"

for (const format of ['cjs', 'esm']) {
  test(`${format}: the package outside of the bundle`, async () => {
    await assertRuns(await bundle(`outside-${format}`, format, { packages: 'external' }))
  })

  test(`${format}: the package in the bundle, the binary in node_modules`, async () => {
    await assertRuns(await bundle(`inside-${format}`, format, { minify: true }))
  })

  test(`${format}: the package in the bundle, the binary beside it, and no node_modules`, async () => {
    const folder = path.join(path.dirname(place.home), `beside-${format}`)
    const file = await bundle(folder, format, { minify: true })
    const [name] = readdirSync(path.join(place.home, 'node_modules')).filter((each) =>
      /^forcegrant-/.test(each),
    )
    const binary = `${name.replace('-', '.')}.node`
    const complaint = await start(process.execPath, [file], environment(folder))
    assert.match(complaint.stderr, new RegExp(`npm install ${name}@`))
    copyFileSync(path.join(place.home, 'node_modules', name, binary), path.join(folder, binary))
    await assertRuns(file)
  })
}

test('esm: rolldown keeps where the bundle lies', async () => {
  const folder = path.join(place.home, 'rolldown')
  const made = await rolldown({
    input: path.join(place.home, 'app.mjs'),
    platform: 'node',
    logLevel: 'silent',
  })
  await made.write({ dir: folder, format: 'esm', entryFileNames: 'bundle.mjs' })
  await made.close()
  await assertRuns(path.join(folder, 'bundle.mjs'), plantedFolder('rolldown'))
})

for (const format of ['cjs', 'esm']) {
  test(`${format}: a bundle that is started in another folder finds its binary, and loads nothing from there`, async () => {
    const file = await bundle(`elsewhere-${format}`, format, { minify: true })
    await assertRuns(file, plantedFolder(format))
  })

  test(`${format}: without its binary, it does not take one from the folder that it is started in`, async () => {
    const folder = path.join(path.dirname(place.home), `without-${format}`)
    const file = await bundle(folder, format, { minify: true })
    const run = await start(process.execPath, [file], environment(plantedFolder(`without-${format}`)))
    assert.equal(run.code, 1)
    assert.match(run.stderr, /is not installed/)
    assert.doesNotMatch(run.stdout + run.stderr, /planted/)
  })
}

/** A folder with everything that could be mistaken for the native part. */
function plantedFolder(name) {
  const folder = path.join(path.dirname(place.home), `planted-${name}`)
  const [installed] = readdirSync(path.join(place.home, 'node_modules')).filter((each) =>
    /^forcegrant-/.test(each),
  )
  const binary = `${installed.replace('-', '.')}.node`
  for (const where of ['.', 'node_modules/forcegrant-x', 'bindings/node/dist']) {
    mkdirSync(path.join(folder, where), { recursive: true })
    // A real library of this version would be loaded unnoticed; this file is not a library.
    writeFileSync(path.join(folder, where, binary), 'planted')
  }
  const home = path.join(folder, 'node_modules', installed)
  mkdirSync(home)
  writeFileSync(path.join(home, 'index.js'), "console.log('planted'); throw new Error('planted')")
  return folder
}

async function bundle(name, format, options) {
  const folder = path.resolve(place.home, name)
  mkdirSync(folder)
  const file = path.join(folder, format === 'esm' ? 'bundle.mjs' : 'bundle.cjs')
  const { warnings } = await build({
    // Only ES modules can await at their top.
    ...(format === 'esm'
      ? { entryPoints: [path.join(place.home, 'app.mjs')], banner: { js: REQUIRE } }
      : { stdin: { contents: wrapped(), resolveDir: place.home } }),
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    format,
    ...options,
  })
  assert.deepEqual(warnings, [])
  return file
}

function wrapped() {
  return `const { Client, RefusedError } = require('forcegrant')
    async function main() {
      const options = JSON.parse(process.env.TEST_CLIENT)
      const { accessToken } = await new Client(options).token()
      const error = await new Client({ ...options, clientSecret: 'wrong' }).token().catch((refusal) => refusal)
      console.log(accessToken.length, error.name, error instanceof RefusedError)
    }
    main()`
}

async function assertRuns(file, cwd = path.dirname(file)) {
  const run = await start(process.execPath, [file], environment(cwd))
  assert.deepEqual(run, { stdout: '112 RefusedError true\n', stderr: '', code: 0, signal: null })
}

function environment(cwd) {
  return { cwd, env: { TEST_CLIENT: JSON.stringify(emulator.clientOptions()) } }
}
