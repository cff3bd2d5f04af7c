import type { Clock } from '../../../base/clock.ts'
import { CurfewError, hasCode } from '../../../base/errors.ts'
import type { Log } from '../../../base/log.ts'
import type { Origin } from '../../../revocation/origin.ts'
import type { SourceContext } from '../../common/part.ts'
import { COOLDOWN_MS } from '../../token/key-set.ts'
import { type SetError, setErrorOf } from '../../token/set-error.ts'
import type { SharedSignalsSource } from '../entry.ts'
import type { TakeSecurityEvent } from '../take-security-event.ts'
import type { PollReport } from './transmitter-api.ts'
import type { Polled } from './transmitter-responses.ts'

const UNKNOWN_KEY = ['CURFEW_TOKEN_KEY_UNKNOWN', 'CURFEW_KEY_LOOKUP_DEFERRED'] as const

/** Maximum number of events waiting for an unknown key. */
const MAX_AWAITED = 1_000

/**
 * Events with an unknown key, by `jti`, and when each was first seen. The issuer may have rotated its keys since they
 * were fetched, and Curfew does not fetch them again within their cooldown. Above the maximum, further events do not
 * wait.
 */
export class AwaitedKeys {
  readonly #since = new Map<string, number>()
  readonly #clock: Pick<Clock, 'monotonic'>

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Whether an event that failed with this error must come again. */
  mustWait(jti: string, error: unknown): boolean {
    if (!hasCode(error, ...UNKNOWN_KEY)) return false
    const now = this.#clock.monotonic()
    const since = this.#since.get(jti)
    if (since !== undefined) return now < since + COOLDOWN_MS
    this.#forgetAbandoned(now)
    if (this.#since.size >= MAX_AWAITED) return false
    this.#since.set(jti, now)
    return true
  }

  /** Forgets an event that was acknowledged or rejected. */
  settle(jti: string): void {
    this.#since.delete(jti)
  }

  /** Removes events that did not come again. The map is ordered by age, oldest first. */
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
  onAccepted: SourceContext['onAccepted']
  onRejected: SourceContext['onRejected']
}

/** The results of the events of one poll. */
export interface TakenEvents {
  report: PollReport
  /** Whether some events are neither acknowledged nor rejected, so that they come again. */
  hasUndecided: boolean
}

/** Takes the events of one poll, and acknowledges those that are durable. Never rejects. */
export async function takePolled(
  source: SharedSignalsSource,
  { sets }: Polled,
  { take, keys, log, onAccepted, onRejected }: TakePolledOptions,
): Promise<TakenEvents> {
  const { name } = source.config
  const ack: string[] = []
  const rejected: [jti: string, error: SetError][] = []
  const undecided: unknown[] = []
  let awaiting = 0
  const takeOne = async ([jti, token]: [jti: string, token: string]) => {
    const proven: { origin: Origin | null } = { origin: null }
    const onAuthenticated = (origin: Origin) => {
      proven.origin = origin
    }
    try {
      await take(source, token, { address: null, onAuthenticated })
      ack.push(jti)
      if (proven.origin) onAccepted(proven.origin)
    } catch (thrown) {
      if (keys.mustWait(jti, thrown)) {
        awaiting += 1
        return
      }
      const error = hasCode(thrown, 'CURFEW_KEY_LOOKUP_DEFERRED') ? unknownKey(thrown) : thrown
      const setError = setErrorOf(error)
      if (!setError || !(error instanceof CurfewError)) return void undecided.push(error)
      rejected.push([jti, setError])
      onRejected({ ...proven, error, events: 1, source: name, route: 'poll', address: null })
    }
    keys.settle(jti)
  }
  await Promise.all(sets.map(takeOne))
  if (undecided.length > 0) {
    const details = { source: name, events: undecided.length, err: undecided[0] }
    log.error(details, 'could not take security events; the transmitter sends them again')
  }
  if (awaiting > 0)
    log.warn({ source: name, events: awaiting }, 'security events wait for an unknown key of the issuer')
  // fromEntries keeps a jti with the name __proto__.
  const report = { ack, setErrs: Object.fromEntries(rejected) }
  return { report, hasUndecided: undecided.length + awaiting > 0 }
}

/** After the wait, the keys were fetched since the event first came. */
function unknownKey({ evidence }: CurfewError): CurfewError {
  return new CurfewError('CURFEW_TOKEN_KEY_UNKNOWN', 'No key of the issuer matches the token (kid).', {
    evidence,
  })
}
