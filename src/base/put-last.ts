/** Makes this the last entry of a map, and forgets the first one above the maximum size. */
export function putLast<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key)
  map.set(key, value)
  const [first] = map.keys()
  if (map.size > max && first !== undefined) map.delete(first)
}
