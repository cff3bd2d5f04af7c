import { backoffMs, LONGEST_WAIT_MS } from '../../../base/backoff.ts'
import type { Clock } from '../../../base/clock.ts'
import type { Log } from '../../../base/log.ts'
import { pause } from '../../../base/pause.ts'
import { retryAfterMs } from '../../../base/retry-after.ts'
import type { SourceContext } from '../../common/part.ts'
import type { SharedSignalsSource } from '../entry.ts'
import type { TakeSecurityEvent } from '../take-security-event.ts'
import type { EventStreams } from './event-streams.ts'
import {
  LOOK_AGAIN_MS,
  NO_VERIFICATION,
  needsVerification,
  nextLookAt,
  type VerificationCourse,
} from './next-look.ts'
import { nextPoll } from './poll-pace.ts'
import { AwaitedKeys, type TakenEvents, takePolled } from './take-polled.ts'
import type { FoundStream, Transmitter } from './transmitter.ts'
import { problemOf, TransmitterFailure } from './transmitter-responses.ts'

/** After this many consecutive failures, the stream is set up again because it may have been deleted. */
const SET_UP_AFTER_FAILURES = 3

export interface KeepStreamOptions {
  take: TakeSecurityEvent
  streams: EventStreams
  clock: Clock
  /** A number from 0 to 1, for the jitter of backoffs. */
  random: () => number
  log: Log
  onAccepted: SourceContext['onAccepted']
  onRejected: SourceContext['onRejected']
  /** Ends the work when aborted. */
  signal: AbortSignal
}

/** The stream in use, and the results of the last events. */
interface Kept extends TakenEvents {
  stream: FoundStream
  /** The last result of `nextPoll`. */
  quickPolls: number
  verification: VerificationCourse
  /** When to look for the stream again, by the monotonic clock. */
  lookAgainAt: number
}

const NOTHING: Omit<Kept, 'stream' | 'lookAgainAt'> = {
  report: { ack: [], setErrs: {} },
  hasUndecided: false,
  quickPolls: 0,
  verification: NO_VERIFICATION,
}

/**
 * Sets up a source's stream, and maintains and polls it until the signal aborts. Never rejects. Every replica does the
 * same: repeated events are recognized by their `jti`.
 */
export async function keepStream(
  source: SharedSignalsSource,
  transmitter: Transmitter,
  options: KeepStreamOptions,
): Promise<void> {
  const { streams, signal, clock, random } = options
  const keys = new AwaitedKeys(clock)
  let kept: Kept | null = null
  let failures = 0
  let isLost = true
  while (!signal.aborted) {
    try {
      if (kept === null || isLost) kept = await setUp(source, transmitter, kept, options)
      else if (isLookDue(source, kept, options)) kept = await lookAgain(source, transmitter, kept, options)
      isLost = false
      const { pollUrl } = kept.stream
      let waitMs = kept.lookAgainAt - clock.monotonic()
      if (pollUrl !== null) {
        const polled = await pollOnce(source, transmitter, { pollUrl, kept }, { ...options, keys })
        kept = polled.kept
        waitMs = polled.waitMs
      }
      failures = 0
      streams.noteProblem(source, null)
      if (waitMs > 0) await pause(waitMs, clock, signal)
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      isLost ||= failures % SET_UP_AFTER_FAILURES === 0
      streams.noteProblem(source, problemOf(error))
      await pause(backoffMs(failures, random(), askedMs(error, clock)), clock, signal)
    }
  }
}

/**
 * Whether to look for the stream: the time has come, or an event named another stream than the one being polled. An
 * unused stream may be deleted, so not while some of its events must come again.
 */
function isLookDue(
  source: SharedSignalsSource,
  { stream, lookAgainAt, hasUndecided }: Kept,
  { streams, clock }: KeepStreamOptions,
): boolean {
  const isOther = stream.pollUrl !== null && streams.get(source)?.streamId !== stream.id
  return (isOther || clock.monotonic() >= lookAgainAt) && !hasUndecided
}

/** @param before the stream in use until now */
async function setUp(
  source: SharedSignalsSource,
  transmitter: Transmitter,
  before: Kept | null,
  options: KeepStreamOptions,
): Promise<Kept> {
  const { streams, clock } = options
  const now = clock.monotonic()
  const stream = await transmitter.find()
  const isNew = stream.id !== before?.stream.id
  if (before && isNew) await transmitter.report(before.stream, before.report)
  const { status, isSettled } = await transmitter.settle(stream)
  streams.noteStream(source, stream.id)
  if (status) streams.noteStatus(source, status)
  const kept = before && !isNew ? before : NOTHING
  const verification = await verify(source, transmitter, { stream, before: kept.verification }, options)
  const isVerified = streams.get(source)?.isVerified ?? false
  const isOpen = stream.verificationUrl !== null && needsVerification(verification, isVerified)
  const verifyNotBefore = isOpen ? verification.notBefore : null
  const isPushed = stream.pollUrl === null
  const lookAgainAt = nextLookAt({ now, isNew, isSettled, isPushed, verifyNotBefore })
  return { ...kept, stream, verification, lookAgainAt }
}

/** Requests a verification if needed. A failure is only logged, because events arrive without verification, too. */
async function verify(
  source: SharedSignalsSource,
  transmitter: Transmitter,
  { stream, before }: { stream: FoundStream; before: VerificationCourse },
  { streams, clock, log, signal }: KeepStreamOptions,
): Promise<VerificationCourse> {
  const isVerified = streams.get(source)?.isVerified ?? false
  if (!needsVerification(before, isVerified) || clock.monotonic() < before.notBefore) return before
  const requests = before.requests + 1
  try {
    await transmitter.requestVerification(stream)
    return { ...before, requests }
  } catch (error) {
    signal.throwIfAborted()
    log.warn(
      { source: source.config.name, problem: problemOf(error) },
      'could not request verification of the event stream',
    )
    const waitMs = Math.min(askedMs(error, clock), LONGEST_WAIT_MS)
    return { requests, notBefore: clock.monotonic() + waitMs }
  }
}

/** Looks for the stream again. If that fails, the current stream stays in use, and the next search is later. */
async function lookAgain(
  source: SharedSignalsSource,
  transmitter: Transmitter,
  kept: Kept,
  options: KeepStreamOptions,
): Promise<Kept> {
  const { streams, signal, log, clock } = options
  try {
    return await setUp(source, transmitter, kept, options)
  } catch (error) {
    signal.throwIfAborted()
    const details = { source: source.config.name, problem: problemOf(error) }
    log.warn(details, 'could not look for the event stream again; the current one stays in use')
    if (kept.stream.pollUrl !== null) streams.noteStream(source, kept.stream.id)
    return { ...kept, lookAgainAt: clock.monotonic() + LOOK_AGAIN_MS }
  }
}

/** Polls once and takes the events. The next poll is due after `waitMs`. */
async function pollOnce(
  source: SharedSignalsSource,
  transmitter: Transmitter,
  { pollUrl, kept }: { pollUrl: string; kept: Kept },
  options: KeepStreamOptions & { keys: AwaitedKeys },
): Promise<{ kept: Kept; waitMs: number }> {
  const { clock } = options
  const { report } = kept
  const startedAt = clock.monotonic()
  const polled = await transmitter.poll(pollUrl, report)
  if (polled === null) return { kept, waitMs: 0 }
  const tookMs = clock.monotonic() - startedAt
  const taken = await takePolled(source, polled, options)
  const wasReported = ([jti]: readonly [string, string]) =>
    report.ack.includes(jti) || Object.hasOwn(report.setErrs, jti)
  const { hasUndecided } = taken
  const course = {
    tookMs,
    events: polled.sets.length,
    isNothingNew: polled.sets.every(wasReported),
    hasUndecided,
  }
  const { waitMs, quickPolls } = nextPoll(course, kept.quickPolls)
  return { kept: { ...kept, ...taken, quickPolls }, waitMs }
}

/** The wait that the transmitter requests, in ms. */
function askedMs(error: unknown, clock: Clock): number {
  const header = error instanceof TransmitterFailure ? error.retryAfter : null
  return retryAfterMs(header ?? undefined, clock.now()) ?? 0
}
