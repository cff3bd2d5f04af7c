import type { Clock } from '../../../base/clock.ts'
import { hasCode } from '../../../base/errors.ts'
import type { Log } from '../../../base/log.ts'
import { COOLDOWN_MS } from '../../token/key-set.ts'
import { type SetError, setErrorOf } from '../../token/set-error.ts'
import type { SharedSignalsSource } from '../entry.ts'
import type { TakeSecurityEvent } from '../take-security-event.ts'
import type { Polled } from './transmitter-answers.ts'
import type { PollReport } from './transmitter-api.ts'

/** Of so many events is remembered at a time that their key is waited for. */
const AWAITED_AT_MOST = 1_000

/**
 * Events whose key is not known, by their `jti`, with when they were first seen: the issuer may have rotated its keys
 * since they were fetched, and they are not fetched again within their cooldown. Where too many wait, more do not.
 */
export class AwaitedKeys {
  readonly #since = new Map<string, number>()
  readonly #clock: Pick<Clock, 'monotonic'>

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Whether the event that was refused for this reason is to come again. */
  isToWait(jti: string, error: unknown): boolean {
    if (!hasCode(error, 'CURFEW_TOKEN_KEY_UNKNOWN')) return false
    const now = this.#clock.monotonic()
    const since = this.#since.get(jti)
    if (since !== undefined) return now < since + COOLDOWN_MS
    this.#forgetAbandoned(now)
    if (this.#since.size >= AWAITED_AT_MOST) return false
    this.#since.set(jti, now)
    return true
  }

  /** It is decided, and comes no more. */
  settle(jti: string): void {
    this.#since.delete(jti)
  }

  /** Those that did not come again; the oldest are the first ones. */
  #forgetAbandoned(now: number): void {
    for (const [jti, since] of this.#since) {
      if (now < since + 10 * COOLDOWN_MS) return
      this.#since.delete(jti)
    }
  }
}

export interface TakePolledOptions {
  take: TakeSecurityEvent
  keys: AwaitedKeys
  log: Pick<Log, 'error' | 'warn'>
  /** Told of events that were refused. */
  onRejected: (source: string) => void
}

/** What has become of the events of one poll. */
export interface TakenEvents {
  report: PollReport
  /** Whether some are neither acknowledged nor refused, and come again. */
  hasUndecided: boolean
}

/** Takes what came with one poll: acknowledged is what is durable. Never rejects. */
export async function takePolled(
  source: SharedSignalsSource,
  { sets }: Polled,
  { take, keys, log, onRejected }: TakePolledOptions,
): Promise<TakenEvents> {
  const { name } = source.config
  const ack: string[] = []
  const refused: [jti: string, error: SetError][] = []
  const undecided: unknown[] = []
  let awaiting = 0
  const takeOne = async ([jti, token]: [jti: string, token: string]) => {
    try {
      await take(source, token)
      ack.push(jti)
    } catch (error) {
      const setError = setErrorOf(error)
      if (setError && keys.isToWait(jti, error)) {
        awaiting += 1
        return
      }
      if (!setError) return void undecided.push(error)
      refused.push([jti, setError])
      onRejected(name)
    }
    keys.settle(jti)
  }
  await Promise.all(sets.map(takeOne))
  if (undecided.length > 0) {
    const details = { source: name, events: undecided.length, err: undecided[0] }
    log.error(details, 'security events cannot be taken now; they are asked for again')
  }
  if (awaiting > 0)
    log.warn({ source: name, events: awaiting }, 'the keys of security events are not known yet')
  // So that a member __proto__ is one.
  const report = { ack, setErrs: Object.fromEntries(refused) }
  return { report, hasUndecided: undecided.length + awaiting > 0 }
}
