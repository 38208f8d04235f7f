// Lays out the packages of a release, each in a folder that `npm publish` takes as it is:
//
//   forcegrant                      JavaScript and types; names the others as optional dependencies
//   forcegrant-linux-x64-gnu, ...   the binary of one platform each
//
//   node bindings/node/scripts/stage.mjs --out FOLDER [--binaries FOLDER] [--all]
//
// The binaries are `forcegrant.<platform>.node`, as `napi build --platform` names them; by default those of
// bindings/node/dist. With --all every platform of `napi.targets` has to be there; without it, what is there is laid out,
// and the main package names all platforms just the same.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { parseTriple } from '@napi-rs/cli'
import { platformOf } from './binary.mjs'

const root = path.join(import.meta.dirname, '..', '..', '..')
const dist = path.join(root, 'bindings', 'node', 'dist')
const SBOM = 'sbom.cdx.json'
const LICENCES = ['LICENSE-MIT', 'LICENSE-APACHE']
// npm publishes with a statement of provenance, or not at all.
const PUBLISH = { access: 'public', provenance: true }

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    binaries: { type: 'string', default: dist },
    all: { type: 'boolean', default: false },
  },
})
if (values.out === undefined) fail('where to? --out FOLDER')
const out = path.resolve(values.out)
const binaries = path.resolve(values.binaries)

const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const targets = manifest.napi.targets.map(parseTriple)
rmSync(out, { recursive: true, force: true })
const staged = targets.filter(platformPackage).map(nameOf)
if (staged.length === 0) fail(`there is no binary in ${binaries}`)
if (values.all && staged.length < targets.length) {
  const missing = targets.map(nameOf).filter((name) => !staged.includes(name))
  fail(`binaries are missing: ${missing.join(', ')}`)
}
mainPackage()
for (const name of [manifest.name, ...staged]) console.log(path.join(out, name))

function mainPackage() {
  const { scripts: _, devDependencies: __, napi: ___, files, ...kept } = manifest
  const folder = makeFolder(manifest.name, {
    ...kept,
    files: files.filter((pattern) => !pattern.endsWith('.node')),
    optionalDependencies: Object.fromEntries(targets.map((target) => [nameOf(target), manifest.version])),
    publishConfig: PUBLISH,
  })
  copyFileSync(path.join(root, 'README.md'), path.join(folder, 'README.md'))
  const into = path.join(folder, path.relative(root, dist))
  mkdirSync(into, { recursive: true })
  for (const name of readdirSync(dist)) {
    if (!name.endsWith('.node')) copyFileSync(path.join(dist, name), path.join(into, name))
  }
}

/** Whether there is a binary for it. */
function platformPackage(target) {
  const file = `${manifest.napi.binaryName}.${target.platformArchABI}.node`
  const source = path.join(binaries, file)
  if (!existsSync(source)) return false
  const { platform, arch, abi } = target
  const found = platformOf(readFileSync(source))
  if (found?.platform !== platform || found.arch !== arch || found.abi !== abi) {
    fail(
      `${file} is ${found ? Object.values(found).filter(Boolean).join(' ') : 'no library for any platform'}`,
    )
  }
  // A release has the list of the crates within beside the binary (scripts/release_build.py).
  const crates = source.replace(/\.node$/, '.cdx.json')
  const { version, license, repository, engines } = manifest
  const folder = makeFolder(nameOf(target), {
    name: nameOf(target),
    version,
    description: `The binary of ${manifest.name} for ${target.triple}`,
    license,
    repository,
    engines,
    os: [platform],
    cpu: [arch],
    ...(platform === 'linux' && { libc: [abi === 'musl' ? 'musl' : 'glibc'] }),
    main: `./${file}`,
    files: [file, ...(existsSync(crates) ? [SBOM] : []), ...LICENCES],
    // A library can not be loaded out of an archive (Yarn).
    preferUnplugged: true,
    publishConfig: PUBLISH,
  })
  copyFileSync(source, path.join(folder, file))
  if (existsSync(crates)) copyFileSync(crates, path.join(folder, SBOM))
  writeFileSync(
    path.join(folder, 'README.md'),
    `# ${nameOf(target)}\n\nThe binary of \`${manifest.name}\` for \`${target.triple}\`. ` +
      `Install \`${manifest.name}\`; it brings the package of your platform.\n`,
  )
  return true
}

function makeFolder(name, contents) {
  const folder = path.join(out, name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(contents, null, 2)}\n`)
  for (const licence of LICENCES) copyFileSync(path.join(root, licence), path.join(folder, licence))
  return folder
}

function nameOf(target) {
  return `${manifest.napi.packageName}-${target.platformArchABI}`
}

function fail(why) {
  console.error(`stage: ${why}`)
  process.exit(1)
}
