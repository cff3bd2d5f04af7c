import { backoffMs } from '../../backoff.ts'
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { retryAfterMs } from '../../retry-after.ts'
import { setErrorOf } from '../set-error.ts'
import type { SharedSignalsSource, TakeSecurityEvent } from '../take-security-event.ts'
import type { EventStreams } from './event-streams.ts'
import { type EventStream, type PollReport, type Transmitter, TransmitterFailure } from './transmitter.ts'

/** A transmitter that does not hold a poll until there is something is asked again after this time. */
const IDLE_MS = 5_000
/** After so many failures in a row the stream is looked for anew: it may be gone. */
const ANEW_AFTER = 3

const NOTHING: PollReport = { ack: [], setErrs: {} }

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
  const { name } = source.config
  let stream: EventStream | null = null
  let report = NOTHING
  let failures = 0
  while (!signal.aborted) {
    try {
      stream ??= await setUp(source, transmitter, options)
      if (stream.pollUrl === null) return streams.noteProblem(name, null)
      const { polled, wait } = await pollOnce(source, transmitter, stream.pollUrl, report, options)
      report = polled
      failures = 0
      streams.noteProblem(name, null)
      if (wait) await pause(IDLE_MS, clock, signal)
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      if (failures % ANEW_AFTER === 0) stream = null
      streams.noteProblem(name, problemOf(error))
      await pause(backoffMs(failures, random(), askedMs(error, clock)), clock, signal)
    }
  }
}

async function setUp(
  { config }: SharedSignalsSource,
  transmitter: Transmitter,
  { streams, log }: KeepStreamOptions,
): Promise<EventStream> {
  const stream = await transmitter.setUp()
  streams.noteStream(config.name, stream.id)
  if (stream.status) streams.noteStatus(config.name, stream.status)
  try {
    await transmitter.requestVerification(stream)
  } catch (error) {
    // It may have been asked too often; events come all the same.
    log.warn({ source: config.name, problem: problemOf(error) }, 'the stream could not be verified')
  }
  return stream
}

/** One poll, and what came with it taken: acknowledged is what is durable. */
async function pollOnce(
  source: SharedSignalsSource,
  transmitter: Transmitter,
  pollUrl: string,
  report: PollReport,
  { take, clock, log, onRejected }: KeepStreamOptions,
): Promise<{ polled: PollReport; wait: boolean }> {
  const startedAt = clock.monotonic()
  const { sets } = await transmitter.poll(pollUrl, report)
  const polled: PollReport = { ack: [], setErrs: {} }
  const undecided: unknown[] = []
  await Promise.all(
    Object.entries(sets).map(async ([jti, token]) => {
      try {
        await take(source, token)
        polled.ack.push(jti)
      } catch (error) {
        const setError = setErrorOf(error)
        if (!setError) undecided.push(error)
        else {
          polled.setErrs[jti] = setError
          onRejected(source.config.name)
        }
      }
    }),
  )
  if (undecided.length > 0) {
    const details = { source: source.config.name, events: undecided.length, err: undecided[0] }
    log.error(details, 'security events cannot be taken now; they are asked for again')
  }
  // Whether more is said to be there or not: one that sends nothing, or only what it was told of, is not asked at once.
  const wasTold = (jti: string) => report.ack.includes(jti) || Object.hasOwn(report.setErrs, jti)
  const isNothingNew = Object.keys(sets).every(wasTold)
  const wasHeld = clock.monotonic() - startedAt >= IDLE_MS
  return { polled, wait: undecided.length > 0 || (isNothingNew && !wasHeld) }
}

/** For operators: without addresses, and without anything of an answer. */
function problemOf(error: unknown): string {
  if (error instanceof TransmitterFailure) return error.message
  return error instanceof SyntaxError ? 'It answers with something that is no JSON.' : 'It cannot be reached.'
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
