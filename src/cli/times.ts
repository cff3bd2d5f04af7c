const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** `2026-11-27 12:05:00Z`, from an ISO time of the service. */
export function timeText(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')}Z`
}

/** A time to come, and how long until then: `2026-11-27 12:05:00Z (in 4 min)`. */
export function comingText(iso: string, now = Date.now()): string {
  const left = Date.parse(iso) - now
  return `${timeText(iso)}${left > 0 ? ` (in ${durationText(left)})` : ''}`
}

/** Rounded up: nobody looks again too early. */
function durationText(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.ceil(ms / 1_000)} s`
  if (ms < 2 * HOUR_MS) return `${Math.ceil(ms / MINUTE_MS)} min`
  if (ms < 2 * DAY_MS) return `${Math.ceil(ms / HOUR_MS)} h`
  return `${Math.ceil(ms / DAY_MS)} days`
}
