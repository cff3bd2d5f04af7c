/**
 * Replicas that start together may each create a stream, and choose before they see all of them: so long after it was
 * set up a stream is looked for once more; and so often, while something is left to be done.
 */
export const LOOK_AGAIN_MS = 60_000
/** Where events are pushed, nothing else shows that the stream is gone. */
const PUSHED_LOOK_MS = 5 * 60_000
/** It may have been lost; more often than this is no help. */
const VERIFICATIONS_AT_MOST = 3

/** How a stream's verification stands. */
export interface VerificationCourse {
  /** So many were asked for. */
  asked: number
  /** Not before this time another one, by the monotonic clock; in ms. */
  notBefore: number
}

export const NO_VERIFICATION: VerificationCourse = { asked: 0, notBefore: Number.NEGATIVE_INFINITY }

/** Whether another verification is to be asked for, now or later. */
export function needsVerification({ asked }: VerificationCourse, isVerified: boolean): boolean {
  return !isVerified && asked < VERIFICATIONS_AT_MOST
}

/** What a look at a stream has come to. */
export interface LookCourse {
  /** When it began, by the monotonic clock; in ms. */
  now: number
  /** Whether the stream is another one than before. */
  isNew: boolean
  /** Whether nothing is left to be tried again. */
  isSettled: boolean
  isPushed: boolean
  /** Null where no verification is needed any more. */
  verifyNotBefore: number | null
}

/** When to look for the stream once more, by the monotonic clock in ms; infinity where that is not needed. */
export function nextLookAt({ now, isNew, isSettled, isPushed, verifyNotBefore }: LookCourse): number {
  if (isNew || !isSettled) return now + LOOK_AGAIN_MS
  const toVerify =
    verifyNotBefore === null ? Number.POSITIVE_INFINITY : Math.max(verifyNotBefore, now + LOOK_AGAIN_MS)
  return isPushed ? Math.min(toVerify, now + PUSHED_LOOK_MS) : toVerify
}
