// The root package holds the binary of one platform: it is for trying out, and not for the registry.
console.error(
  'This package is not published from the root of the repository. Lay the packages of a release out with\n' +
    '  node bindings/node/scripts/stage.mjs --all --binaries FOLDER --out FOLDER\n' +
    'and publish those.',
)
process.exit(1)
