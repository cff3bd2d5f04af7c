import { backoffMs, LONGEST_WAIT_MS } from '../../../base/backoff.ts'
import type { Clock } from '../../../base/clock.ts'
import type { Log } from '../../../base/log.ts'
import { pause } from '../../../base/pause.ts'
import { retryAfterMs } from '../../../base/retry-after.ts'
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
import { problemOf, TransmitterFailure } from './transmitter-answers.ts'

/** After so many failures in a row the stream is looked for anew: it may be gone. */
const ANEW_AFTER = 3

export interface KeepStreamOptions {
  take: TakeSecurityEvent
  streams: EventStreams
  clock: Clock
  /** A number from 0 up to 1, for the jitter of backoffs. */
  random: () => number
  log: Log
  /** Told of events that were refused. */
  onRejected: (source: string) => void
  /** Ends it. */
  signal: AbortSignal
}

/** The stream that is used, and what has become of the events that came last. */
interface Kept extends TakenEvents {
  stream: FoundStream
  /** What `nextPoll` has answered. */
  quickPolls: number
  verification: VerificationCourse
  /** When to look for it once more, by the monotonic clock. */
  lookAgainAt: number
}

const NOTHING: Omit<Kept, 'stream' | 'lookAgainAt'> = {
  report: { ack: [], setErrs: {} },
  hasUndecided: false,
  quickPolls: 0,
  verification: NO_VERIFICATION,
}

/**
 * Sets a source's stream up, and keeps it until the signal aborts; where it is polled, polls it. Never rejects. Each
 * replica does the same: what comes twice is recognized by its `jti`.
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
      isLost ||= failures % ANEW_AFTER === 0
      streams.noteProblem(source, problemOf(error))
      await pause(backoffMs(failures, random(), askedMs(error, clock)), clock, signal)
    }
  }
}

/**
 * Whether it is time, or an event tells of another stream than the one that is polled. A stream that is used no more may be
 * deleted: not while some of its events are to come again.
 */
function isLookDue(
  source: SharedSignalsSource,
  { stream, lookAgainAt, hasUndecided }: Kept,
  { streams, clock }: KeepStreamOptions,
): boolean {
  const isOther = stream.pollUrl !== null && streams.get(source)?.streamId !== stream.id
  return (isOther || clock.monotonic() >= lookAgainAt) && !hasUndecided
}

/** @param before what was used until now */
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

/** Asks for a verification where that is needed: it may have been asked too often, and events come all the same. */
async function verify(
  source: SharedSignalsSource,
  transmitter: Transmitter,
  { stream, before }: { stream: FoundStream; before: VerificationCourse },
  { streams, clock, log, signal }: KeepStreamOptions,
): Promise<VerificationCourse> {
  const isVerified = streams.get(source)?.isVerified ?? false
  if (!needsVerification(before, isVerified) || clock.monotonic() < before.notBefore) return before
  const asked = before.asked + 1
  try {
    await transmitter.requestVerification(stream)
    return { ...before, asked }
  } catch (error) {
    signal.throwIfAborted()
    log.warn({ source: source.config.name, problem: problemOf(error) }, 'the stream could not be verified')
    const waitMs = Math.min(askedMs(error, clock), LONGEST_WAIT_MS)
    return { asked, notBefore: clock.monotonic() + waitMs }
  }
}

/** The stream that was found works: where looking fails, it goes on, and is looked for later. */
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
    log.warn(details, 'the stream could not be looked for once more')
    if (kept.stream.pollUrl !== null) streams.noteStream(source, kept.stream.id)
    return { ...kept, lookAgainAt: clock.monotonic() + LOOK_AGAIN_MS }
  }
}

/** One poll, and what came with it taken. The next one comes after `waitMs`. */
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
  const wasTold = ([jti]: readonly [string, string]) =>
    report.ack.includes(jti) || Object.hasOwn(report.setErrs, jti)
  const { hasUndecided } = taken
  const course = {
    tookMs,
    events: polled.sets.length,
    isNothingNew: polled.sets.every(wasTold),
    hasUndecided,
  }
  const { waitMs, quickPolls } = nextPoll(course, kept.quickPolls)
  return { kept: { ...kept, ...taken, quickPolls }, waitMs }
}

/** How long the transmitter asks to wait, in ms. */
function askedMs(error: unknown, clock: Clock): number {
  const header = error instanceof TransmitterFailure ? error.retryAfter : null
  return retryAfterMs(header ?? undefined, clock.now()) ?? 0
}
