// The reference of the Node package, from the declarations that it ships: one Markdown file for each entry point.
// A public name without documentation is an error.
//
//   node bindings/node/scripts/docs.mjs [--out FOLDER]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
// The compiler itself is a native program by now; this version still has an interface for programs.
import ts from 'typescript-api'

const root = path.join(import.meta.dirname, '..', '..', '..')
const dist = path.join(root, 'bindings', 'node', 'dist')
const { values } = parseArgs({
  options: { out: { type: 'string', default: path.join(root, 'target', 'docs', 'node') } },
})
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const entries = Object.entries(manifest.exports).filter(([, to]) => to.require?.types)
const program = ts.createProgram(
  entries.map(([, to]) => path.join(root, to.require.types)),
  {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
    strict: true,
    skipLibCheck: true,
  },
)
const checker = program.getTypeChecker()
const missing = []
let documented = 0

mkdirSync(values.out, { recursive: true })
for (const [entry, to] of entries) {
  const source = program.getSourceFile(path.join(root, to.require.types))
  const module = checker.getSymbolAtLocation(source)
  const name = path.posix.join(manifest.name, entry)
  const parts = checker
    .getExportsOfModule(module)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .filter(isOurs)
    .sort((one, other) => one.name.localeCompare(other.name, 'en'))
    .map((symbol) => describe(symbol, name))
  const file = `${name.replaceAll('/', '-')}.md`
  writeFileSync(path.join(values.out, file), `# ${name} ${manifest.version}\n\n${parts.join('\n')}`)
}
for (const name of missing) console.error(`not documented: ${name}`)
console.log(`Node reference: ${documented} documented names in ${entries.length} entry points`)
if (missing.length > 0 || documented === 0) process.exit(1)

function describe(symbol, where) {
  const text = said(symbol, `${where}: ${symbol.name}`)
  return `## ${symbol.name}\n\n${code(symbol)}${text}\n${membersOf(symbol)
    .map((member) => describeMember(member, symbol, where))
    .join('')}`
}

function describeMember(member, owner, where) {
  const name =
    member.name === '__constructor'
      ? 'constructor'
      : member.name.startsWith('__@')
        ? `[Symbol.${member.name.split('@')[2] ?? member.name.slice(3)}]`
        : member.name
  const text = said(member, `${where}: ${owner.name}.${name}`)
  return `\n### ${owner.name}.${name}\n\n${code(member)}${text}\n`
}

/** What the source says about it, tags included. */
function said(symbol, name) {
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim()
  const tags = symbol
    .getJsDocTags(checker)
    .map((tag) => `\n* *${tag.name}* ${ts.displayPartsToString(tag.text)}`)
    .join('')
  if (text === '') missing.push(name)
  else documented += 1
  return `${text}\n${tags}`
}

/** The declarations, without bodies of classes and interfaces: their members follow. */
function code(symbol) {
  const lines = symbol.declarations.filter(inPackage).map((declaration) => {
    const text = declaration.getText().replace(/\/\*\*[\s\S]*?\*\/\s*/g, '')
    return isContainer(declaration) ? text.slice(0, text.indexOf('{')).trim() : text
  })
  return `\`\`\`ts\n${[...new Set(lines)].join('\n')}\n\`\`\`\n\n`
}

function membersOf(symbol) {
  if (!symbol.declarations.some(isContainer)) return []
  const own = [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? [])]
  return own.filter((member) => member.name !== 'prototype' && isOurs(member) && isPublic(member))
}

function isPublic(member) {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected
  return member.declarations.every(
    (declaration) =>
      !(ts.getCombinedModifierFlags(declaration) & hidden) &&
      !ts.isTypeParameterDeclaration(declaration) &&
      !(declaration.name && ts.isPrivateIdentifier(declaration.name)),
  )
}

function isContainer(declaration) {
  return ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)
}

function isOurs(symbol) {
  return symbol.declarations?.some(inPackage) ?? false
}

function inPackage(declaration) {
  return path.resolve(declaration.getSourceFile().fileName).startsWith(dist + path.sep)
}
