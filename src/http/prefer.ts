const LONGEST_WAIT_S = 30

/**
 * How long a `Prefer: wait=N` header (RFC 7240, section 4.3) asks to wait for the end, in seconds, at most 30;
 * null when it does not ask. What is not understood is ignored, as the RFC says.
 */
export function preferredWait(header: string | string[] | undefined): number | null {
  for (const preference of [header ?? ''].flat().join(',').split(',')) {
    const match = /^\s*wait\s*=\s*"?(\d+)"?\s*(;.*)?$/i.exec(preference)
    if (match) return Math.min(Number(match[1]), LONGEST_WAIT_S)
  }
  return null
}
