const LONGEST_WAIT_S = 30

/**
 * The wait that a `Prefer: wait=N` header requests (RFC 7240, section 4.3), in seconds, at most 30; null if it requests
 * none. Unknown preferences are ignored, as the RFC requires.
 */
export function preferredWait(header: string | string[] | undefined): number | null {
  for (const preference of [header ?? ''].flat().join(',').split(',')) {
    const match = /^\s*wait\s*=\s*"?(\d+)"?\s*(;.*)?$/i.exec(preference)
    if (match) return Math.min(Number(match[1]), LONGEST_WAIT_S)
  }
  return null
}
