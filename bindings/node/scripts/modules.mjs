// Prints what the TypeScript files beside a tsconfig.json import and declare, as JSON, for scripts/structure.py.
import { posix, relative, resolve } from 'node:path'
import { SyntaxKind } from 'typescript/unstable/ast'
import { API } from 'typescript/unstable/sync'

const KINDS = new Map([
  [SyntaxKind.ClassDeclaration, 'types'],
  [SyntaxKind.InterfaceDeclaration, 'types'],
  [SyntaxKind.TypeAliasDeclaration, 'types'],
  [SyntaxKind.EnumDeclaration, 'types'],
  [SyntaxKind.FunctionDeclaration, 'functions'],
  [SyntaxKind.MethodDeclaration, 'functions'],
  [SyntaxKind.MethodSignature, 'functions'],
  [SyntaxKind.VariableDeclaration, 'other'],
  [SyntaxKind.Parameter, 'other'],
  [SyntaxKind.PropertyDeclaration, 'other'],
  [SyntaxKind.PropertySignature, 'other'],
  [SyntaxKind.BindingElement, 'other'],
])

/** The text of a string, wherever the node of an import has it. */
function specifier(node) {
  switch (node.kind) {
    case SyntaxKind.ImportDeclaration:
    case SyntaxKind.ExportDeclaration:
      return node.moduleSpecifier?.text
    case SyntaxKind.ExternalModuleReference:
      return node.expression.text
    case SyntaxKind.ImportType:
      return node.argument.literal?.text
    case SyntaxKind.CallExpression: {
      const { expression } = node
      const imports = expression.kind === SyntaxKind.ImportKeyword || expression.text === 'require'
      return imports ? node.arguments[0]?.text : undefined
    }
  }
}

function look(sourceFile, name) {
  const imports = new Set()
  const declared = []
  const visit = (node) => {
    const imported = specifier(node)
    if (imported?.startsWith('.')) {
      imports.add(posix.join(posix.dirname(name), imported.replace(/js$/, 'ts')))
    }
    const kind = KINDS.get(node.kind)
    if (kind !== undefined && node.name?.kind === SyntaxKind.Identifier) {
      const isConstant = kind === 'other' && /^[A-Z][A-Z0-9_]*$/.test(node.name.text)
      declared.push([isConstant ? 'constants' : kind, node.name.text])
    }
    node.forEachChild(visit)
  }
  visit(sourceFile)
  return { imports: [...imports], declared }
}

const config = resolve(process.argv[2])
const folder = posix.dirname(config)
const api = new API()
try {
  const project = api.updateSnapshot({ openProjects: [config] }).getProject(config)
  const names = project.rootFiles.filter((name) => !/\.d\.[cm]?ts$/.test(name)).sort()
  const modules = names.map((path) => {
    const name = relative(folder, path).replaceAll('\\', '/')
    return [name, look(project.program.getSourceFile(path), name)]
  })
  process.stdout.write(JSON.stringify(Object.fromEntries(modules)))
} finally {
  api.close()
}
