// Empties dist of what the TypeScript compiler made: a source that was renamed must not live on in the package.
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'

const dist = path.join(import.meta.dirname, '..', 'dist')
mkdirSync(dist, { recursive: true })
for (const name of readdirSync(dist)) {
  if (!name.endsWith('.node')) rmSync(path.join(dist, name), { recursive: true })
}
