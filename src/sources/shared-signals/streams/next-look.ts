/**
 * Replicas that start together may each create a stream, and choose one before they see all. Curfew therefore looks for
 * the stream again this long after the setup, and at this interval while requests must be repeated.
 */
export const LOOK_AGAIN_MS = 60_000
/** With push, only a look shows that the stream was deleted. */
const PUSHED_LOOK_MS = 5 * 60_000
/** A verification event may be lost; further requests would not help. */
const MAX_VERIFICATIONS = 3

/** The progress of a stream's verification. */
export interface VerificationCourse {
  /** Number of requests so far. */
  requests: number
  /** Earliest time of the next request, by the monotonic clock, in ms. */
  notBefore: number
}

export const NO_VERIFICATION: VerificationCourse = { requests: 0, notBefore: Number.NEGATIVE_INFINITY }

/** Whether another verification must be requested, now or later. */
export function needsVerification({ requests }: VerificationCourse, isVerified: boolean): boolean {
  return !isVerified && requests < MAX_VERIFICATIONS
}

/** The result of looking for a stream. */
export interface LookCourse {
  /** Start of the look, by the monotonic clock, in ms. */
  now: number
  /** Whether the stream differs from the previous one. */
  isNew: boolean
  /** Whether no request must be repeated. */
  isSettled: boolean
  isPushed: boolean
  /** Null if no further verification is needed. */
  verifyNotBefore: number | null
}

/** When to look for the stream again, by the monotonic clock in ms; Infinity if not needed. */
export function nextLookAt({ now, isNew, isSettled, isPushed, verifyNotBefore }: LookCourse): number {
  if (isNew || !isSettled) return now + LOOK_AGAIN_MS
  const toVerify =
    verifyNotBefore === null ? Number.POSITIVE_INFINITY : Math.max(verifyNotBefore, now + LOOK_AGAIN_MS)
  return isPushed ? Math.min(toVerify, now + PUSHED_LOOK_MS) : toVerify
}
