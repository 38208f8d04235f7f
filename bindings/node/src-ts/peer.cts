// Loads a library that users install themselves.
/**
 * Loads such a library.
 *
 * @internal
 * @param load calls `require` with the name itself, so that a bundler sees it
 */
export function peer<T>(entry: string, name: string, load: () => T): T {
  try {
    return load()
  } catch (cause) {
    const { code, message } = cause as { code?: string; message?: string }
    // What is missing may be a part of the library's own.
    if (code !== 'MODULE_NOT_FOUND' || message?.includes(`'${name}'`) !== true) throw cause
    const error = new Error(
      `${entry} needs the package ${name}, which is not installed.\n  To fix it, run: npm install ${name}`,
      { cause },
    )
    throw Object.assign(error, { code })
  }
}
