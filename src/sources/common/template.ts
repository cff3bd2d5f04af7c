/** `{name}` stands for a member, `{/path/to}` for a nested one (JSON Pointer, RFC 6901). */
const PLACE = /\{([^{}]*)\}/g

/** Whether a text is a template: braces are paired, contain the name of a member, and occur at least once. */
export function isTemplate(text: string): boolean {
  let places = 0
  const rest = text.replace(PLACE, (_, name: string) => {
    places += 1
    return name === '' || (name.startsWith('/') && /~(?![01])/.test(name)) ? '{' : ''
  })
  // Without a placeholder, the result would not depend on the signal.
  return places > 0 && !/[{}]/.test(rest)
}

/** The members that a template names; for a JSON Pointer, its first part. */
export function membersOf(template: string): string[] {
  return [...template.matchAll(PLACE)].flatMap(([, name = '']) => pathOf(name).slice(0, 1))
}

/** Replaces the placeholders with members of `values`; null if one of them is missing. */
export function expand(template: string, values: unknown): string | null {
  let isComplete = true
  const text = template.replace(PLACE, (_, name: string) => {
    const value = find(values, pathOf(name))
    if (typeof value === 'string' && value !== '') return value
    if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
    isComplete = false
    return ''
  })
  return isComplete ? text : null
}

/** The value at a JSON Pointer (RFC 6901); undefined if there is none. */
export function valueAt(values: unknown, pointer: string): unknown {
  return find(values, tokensOf(pointer))
}

/** The path of the member that a placeholder names. */
function pathOf(name: string): string[] {
  return name.startsWith('/') ? tokensOf(name) : [name]
}

/** The reference tokens of a JSON Pointer. */
function tokensOf(pointer: string): string[] {
  const [, ...tokens] = pointer.split('/')
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function find(values: unknown, path: readonly string[]): unknown {
  let value = values
  for (const member of path) {
    // Own members only, because a prototype has others.
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, member)) return undefined
    if (Array.isArray(value) && !/^\d+$/.test(member)) return undefined
    value = (value as Record<string, unknown>)[member]
  }
  return value
}
