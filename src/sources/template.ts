/** `{name}` stands for a member, `{/path/to}` for one further in, by JSON Pointer (RFC 6901). */
const PLACE = /\{([^{}]*)\}/g

/** Whether a text can be expanded: braces are paired, and what is in them names a member. */
export function isTemplate(text: string): boolean {
  const rest = text.replace(PLACE, (_, name: string) => (name === '' || /~(?![01])/.test(name) ? '{' : ''))
  return text !== '' && !/[{}]/.test(rest)
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
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, member)) return undefined
    // Own members only: nothing is found on the way to a prototype.
    value = (value as Record<string, unknown>)[member]
  }
  return value
}
