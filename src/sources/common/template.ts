/** `{name}` stands for a member, `{/path/to}` for one further in, by JSON Pointer (RFC 6901). */
const PLACE = /\{([^{}]*)\}/g

/** Whether a text can be expanded: braces are paired, what is in them names a member, and one does at least. */
export function isTemplate(text: string): boolean {
  let places = 0
  const rest = text.replace(PLACE, (_, name: string) => {
    places += 1
    return name === '' || (name.startsWith('/') && /~(?![01])/.test(name)) ? '{' : ''
  })
  // Without a place it would be the same user, or tenant, whatever is said.
  return places > 0 && !/[{}]/.test(rest)
}

/** The members that a template names, the outermost ones of JSON Pointers. */
export function membersOf(template: string): string[] {
  return [...template.matchAll(PLACE)].map(([, name = '']) =>
    name.startsWith('/') ? String(name.split('/')[1]).replaceAll('~1', '/').replaceAll('~0', '~') : name,
  )
}

/** A text with the members of `values` in the places that name them; null where one of them is not there. */
export function expand(template: string, values: unknown): string | null {
  let isComplete = true
  const text = template.replace(PLACE, (_, name: string) => {
    const value = valueAt(
      values,
      name.startsWith('/') ? name : `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    )
    if (typeof value === 'string' && value !== '') return value
    if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
    isComplete = false
    return ''
  })
  return isComplete ? text : null
}

/** The value that a JSON Pointer (RFC 6901) names; undefined where there is none. */
export function valueAt(values: unknown, pointer: string): unknown {
  if (pointer === '') return values
  let value = values
  for (const token of pointer.split('/').slice(1)) {
    const member = token.replaceAll('~1', '/').replaceAll('~0', '~')
    // Own members only: nothing is found on the way to a prototype.
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, member)) return undefined
    if (Array.isArray(value) && !/^\d+$/.test(member)) return undefined
    value = (value as Record<string, unknown>)[member]
  }
  return value
}
