import type { Check } from '../base/check.ts'
import { type ApiKey, validityOf } from './api-key.ts'

const DAY_MS = 24 * 60 * 60_000
const WARNED_BEFORE_MS = 14 * DAY_MS

type Expiring = Pick<ApiKey, 'name' | 'notBefore' | 'expiresAt'>

/** Keys that expire within 14 days, and keys that have expired. */
export function expiringKeys<Key extends Expiring>(
  keys: readonly Key[],
  now: number,
): { soon: Key[]; expired: Key[] } {
  const expired = keys.filter((key) => validityOf(key, now) === 'expired')
  const soon = keys.filter(
    (key) => key.expiresAt !== null && now < key.expiresAt && now >= key.expiresAt - WARNED_BEFORE_MS,
  )
  return { soon, expired }
}

/** Time until the warnings must be logged again, in ms: when they change, or after a day; null if no key expires. */
export function untilNextWarning(keys: readonly Expiring[], now: number): number | null {
  const ends = keys.flatMap(({ expiresAt }) => expiresAt ?? [])
  if (ends.length === 0) return null
  const changes = ends.flatMap((end) => [end - WARNED_BEFORE_MS, end]).filter((at) => at > now)
  return Math.min(DAY_MS, ...changes.map((at) => at - now))
}

/** A warning for readiness while keys expire soon or have expired. It is public, so it does not name them. */
export function expiryChecks(keys: readonly Expiring[], now: number): Check[] {
  const { soon, expired } = expiringKeys(keys, now)
  const details = [
    ...(soon.length > 0 ? [`${soon.length} of ${keys.length} API keys expire within 14 days.`] : []),
    ...(expired.length > 0 ? [`${expired.length} of ${keys.length} API keys have expired.`] : []),
  ]
  if (details.length === 0) return []
  return [{ name: 'api-keys', status: 'warning', detail: `${details.join(' ')} The log names them.` }]
}
