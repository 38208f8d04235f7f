// Prints what the TypeScript files of a folder import and declare, as JSON, for scripts/structure.py.
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import ts from 'typescript'

const folder = process.argv[2]
const names = readdirSync(folder, { recursive: true })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => /\.[cm]?ts$/.test(name) && !/\.d\.[cm]?ts$/.test(name))

/** The source of what is imported as its compiled file. */
function source(from, specifier) {
  if (!specifier.startsWith('.')) return []
  return [posix.join(posix.dirname(from), specifier.replace(/js$/, 'ts'))]
}

const KINDS = new Map([
  [ts.SyntaxKind.ClassDeclaration, 'types'],
  [ts.SyntaxKind.InterfaceDeclaration, 'types'],
  [ts.SyntaxKind.TypeAliasDeclaration, 'types'],
  [ts.SyntaxKind.EnumDeclaration, 'types'],
  [ts.SyntaxKind.FunctionDeclaration, 'functions'],
  [ts.SyntaxKind.MethodDeclaration, 'functions'],
  [ts.SyntaxKind.MethodSignature, 'functions'],
  [ts.SyntaxKind.VariableDeclaration, 'other'],
  [ts.SyntaxKind.Parameter, 'other'],
  [ts.SyntaxKind.PropertyDeclaration, 'other'],
  [ts.SyntaxKind.PropertySignature, 'other'],
  [ts.SyntaxKind.BindingElement, 'other'],
])

function declared(name, text) {
  const found = []
  const visit = (node) => {
    const kind = KINDS.get(node.kind)
    if (kind !== undefined && node.name !== undefined && ts.isIdentifier(node.name)) {
      const isConstant = kind === 'other' && /^[A-Z][A-Z0-9_]*$/.test(node.name.text)
      found.push([isConstant ? 'constants' : kind, node.name.text])
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(name, text, ts.ScriptTarget.Latest))
  return found
}

const modules = names.sort().map((name) => {
  const text = readFileSync(join(folder, name), 'utf8')
  const { importedFiles } = ts.preProcessFile(text, true, true)
  const imports = importedFiles.flatMap(({ fileName }) => source(name, fileName))
  return [name, { imports, declared: declared(name, text) }]
})
process.stdout.write(JSON.stringify(Object.fromEntries(modules)))
