import { backoffMs } from '../../backoff.ts'
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { retryAfterMs } from '../../retry-after.ts'
import type { SharedSignalsSource, TakeSecurityEvent } from '../take-security-event.ts'
import type { EventStreams } from './event-streams.ts'
import { nextPoll } from './poll-pace.ts'
import { AwaitedKeys, type TakenEvents, takePolled } from './take-polled.ts'
import type { EventStream, Transmitter } from './transmitter.ts'
import { problemOf, TransmitterFailure } from './transmitter-answers.ts'

/** After so many failures in a row the stream is looked for anew: it may be gone. */
const ANEW_AFTER = 3

/**
 * Replicas that start together may each create a stream, and choose before they see all of them: so long after it was
 * set up a stream is looked for once more.
 */
const LOOK_AGAIN_MS = 60_000

const NOTHING: TakenEvents = { report: { ack: [], setErrs: {} }, hasUndecided: false }

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

/** The stream that is used. */
interface Kept extends TakenEvents {
  stream: EventStream
  /** What `nextPoll` has answered. */
  quickPolls: number
  /** When to look for it once more, by the monotonic clock. */
  lookAgainAt: number
}

/**
 * Sets a source's stream up, and where it is polled, polls it until the signal aborts. Never rejects. Each replica does
 * the same: what comes twice is recognized by its `jti`.
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
  while (!signal.aborted) {
    try {
      if (kept === null) kept = await setUp(source, transmitter, null, options)
      else if (clock.monotonic() >= kept.lookAgainAt)
        kept = await lookAgain(source, transmitter, kept, options)
      const { pollUrl } = kept.stream
      let waitMs = kept.lookAgainAt - clock.monotonic()
      if (pollUrl !== null) {
        const polled = await pollOnce(source, transmitter, { pollUrl, kept }, { ...options, keys })
        kept = polled.kept
        waitMs = polled.waitMs
      }
      failures = 0
      streams.noteProblem(source, null)
      if (waitMs === Number.POSITIVE_INFINITY) return
      if (waitMs > 0) await pause(waitMs, clock, signal)
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      if (failures % ANEW_AFTER === 0) kept = null
      streams.noteProblem(source, problemOf(error))
      await pause(backoffMs(failures, random(), askedMs(error, clock)), clock, signal)
    }
  }
}

/** @param before what was used until now */
async function setUp(
  source: SharedSignalsSource,
  transmitter: Transmitter,
  before: Kept | null,
  { streams, clock, log }: KeepStreamOptions,
): Promise<Kept> {
  const lookAgainAt = clock.monotonic() + LOOK_AGAIN_MS
  const stream = await transmitter.setUp()
  streams.noteStream(source, stream.id)
  if (stream.status) streams.noteStatus(source, stream.status)
  if (stream.id === before?.stream.id) return { ...before, stream, lookAgainAt: Number.POSITIVE_INFINITY }
  try {
    await transmitter.requestVerification(stream)
  } catch (error) {
    // It may have been asked too often; events come all the same.
    log.warn({ source: source.config.name, problem: problemOf(error) }, 'the stream could not be verified')
  }
  return { stream, ...NOTHING, quickPolls: 0, lookAgainAt }
}

/** The stream that was found works: where looking fails, it goes on, and is looked for later. */
async function lookAgain(
  source: SharedSignalsSource,
  transmitter: Transmitter,
  kept: Kept,
  options: KeepStreamOptions,
): Promise<Kept> {
  try {
    return await setUp(source, transmitter, kept, options)
  } catch (error) {
    const { signal, log, clock } = options
    signal.throwIfAborted()
    const details = { source: source.config.name, problem: problemOf(error) }
    log.warn(details, 'the stream could not be looked for once more')
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

function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(ms, end)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
  })
}
