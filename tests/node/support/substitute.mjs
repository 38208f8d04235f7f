/** Replaces `$name` in every string value of a scenario; `$$` is a dollar sign. */
export function substitute(value, values) {
  if (typeof value === 'string') {
    return value.replaceAll(/\$(\$|[a-z0-9_]+)/g, (_all, name) => {
      if (name === '$') return '$'
      if (!Object.hasOwn(values, name)) throw new Error(`there is no placeholder $${name}`)
      return values[name]
    })
  }
  if (Array.isArray(value)) return value.map((inner) => substitute(inner, values))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, substitute(inner, values)]))
}

/** Refuses an unknown key, so that a misspelt expectation is not silently ignored. */
export function only(object, keys, where) {
  for (const key of Object.keys(object)) {
    if (!keys.includes(key)) throw new Error(`${where}: unknown key ${key}`)
  }
  return object
}
