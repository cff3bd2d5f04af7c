/** Arguments of the form `name=value`. A value that is not JSON is a string. */
export function readPairs(given: string[]): Record<string, unknown> {
  const pairs = given.map((pair) => {
    const [name = '', ...value] = pair.split('=')
    return [name, readValue(value.join('='))]
  })
  return Object.fromEntries(pairs)
}

function readValue(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
