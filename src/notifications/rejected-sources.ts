import type { Clock } from '../base/clock.ts'
import type { ErrorCode } from '../base/errors.ts'
import type { NewNotification, ReceiverConfig } from '../revocation/notification.ts'

const EVERY_MS = 60_000

interface Rejected {
  from: number
  count: number
  codes: Map<ErrorCode, number>
}

export interface RejectedSourcesOptions {
  receivers: () => readonly ReceiverConfig[]
  /** Stores notifications. Never rejects. */
  add: (notifications: readonly NewNotification[]) => void
  /** For times that are stored: `steadyNow`. */
  now: () => number
  clock: Pick<Clock, 'after'>
}

/**
 * Notifies receivers of rejected signals: the first one of a source at once, then at most once a minute, with counts. The
 * notification names the source and error codes, and repeats nothing of what was sent.
 */
export class RejectedSources {
  readonly #options: RejectedSourcesOptions
  /** The sources of which a rejection was reported within the last minute, and what has been rejected since. */
  readonly #recent = new Map<string, { since: Rejected | null; cancel: () => void }>()

  constructor(options: RejectedSourcesOptions) {
    this.#options = options
  }

  /** @param source one of a limited number of names */
  note(source: string, code: ErrorCode, count: number): void {
    if (this.#wanting().length === 0) return
    const now = this.#options.now()
    const recent = this.#recent.get(source)
    if (!recent) {
      this.#report(source, { from: now, count, codes: new Map([[code, count]]) })
      return
    }
    recent.since ??= { from: now, count: 0, codes: new Map() }
    recent.since.count += count
    recent.since.codes.set(code, (recent.since.codes.get(code) ?? 0) + count)
  }

  /** Reports what was counted since the last report. */
  stop(): void {
    for (const [source, { since, cancel }] of this.#recent) {
      cancel()
      if (since) this.#add(source, since)
    }
    this.#recent.clear()
  }

  #report(source: string, rejected: Rejected): void {
    this.#add(source, rejected)
    const cancel = this.#options.clock.after(EVERY_MS, () => {
      const since = this.#recent.get(source)?.since ?? null
      this.#recent.delete(source)
      if (since) this.#report(source, since)
    })
    this.#recent.set(source, { since: null, cancel })
  }

  #add(source: string, { from, count, codes }: Rejected): void {
    const { now, add } = this.#options
    const at = now()
    const times = { from: new Date(from).toISOString(), until: new Date(at).toISOString() }
    const data = JSON.stringify({ source, count, codes: Object.fromEntries(codes), ...times })
    const about = { tenant: null, revocation: null, user: null }
    add(this.#wanting().map(({ name }) => ({ receiver: name, type: 'source.rejected', at, ...about, data })))
  }

  #wanting(): ReceiverConfig[] {
    return this.#options
      .receivers()
      .filter(
        ({ events, tenants, onlyIfNamed }) =>
          events.includes('source.rejected') && tenants === null && !onlyIfNamed,
      )
  }
}
