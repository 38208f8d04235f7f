import { native } from './loader.cjs'

/**
 * The variables of `process.env` that the core reads. Each worker has a `process.env` of its own, test runners and
 * Bun fill it, and it can be replaced: native code would see none of that, but the environment of the process.
 *
 * @internal
 */
export function environment(): Record<string, string> {
  const seen: Record<string, string> = {}
  for (const name of native().environmentNames()) {
    const value: unknown = process.env[name]
    if (value !== undefined && value !== null) seen[name] = String(value)
  }
  return seen
}
