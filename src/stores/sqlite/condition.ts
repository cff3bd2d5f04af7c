import type { Clock } from '../../base/clock.ts'
import { CurfewError, hasCode } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { asRefusal, type Damage, damageOf, FILE_LOSS } from './damage.ts'
import type { FileIdentity } from './file-identity.ts'

const LOOK_EVERY_MS = 1_000
/** The check of the whole database blocks the event loop. A long one takes at most about a tenth of the time. */
const LONG_CHECK_MS = 20
const PAUSE_PER_CHECK = 10

export interface ConditionOptions {
  files: Pick<FileIdentity, 'loss'>
  /** Checks the whole database and syncs everything. Returns the damage it finds; null if there is none. */
  verify: () => Damage | null
  /** Called when a read or write has failed, before it is reported. */
  onFailure: () => void
  clock: Clock
  log: Log
}

/**
 * Whether the store can keep what it acknowledges. A failed write or sync counts until `verify` passes: a later write to
 * another page says nothing about the failed one, and after a failed sync the system may have dropped earlier pages.
 */
export class Condition {
  readonly #options: ConditionOptions
  #failure: Damage | null = null
  #verifyAt = 0
  #reported: Damage | null = null
  #cancelTimer = () => {}
  #isClosed = false

  constructor(options: ConditionOptions, found: Damage | null = null) {
    this.#options = options
    if (found) this.#fail(found)
  }

  /** Looks at the files every second, and reports damage without waiting for a request. */
  watch(): void {
    this.look()
    if (!this.#isClosed) this.#cancelTimer = this.#options.clock.after(LOOK_EVERY_MS, () => this.watch())
  }

  close(): void {
    this.#isClosed = true
    this.#cancelTimer()
  }

  /** Returns the current damage, and verifies an earlier failure again if it is time. Logs each change once. */
  look(): Damage | null {
    if (this.#isClosed) return null
    if (this.#failure && this.#options.clock.monotonic() >= this.#verifyAt) this.#verify()
    return this.#report(this.#current())
  }

  /** Cheap: two calls of stat. @throws CURFEW_STORE_UNAVAILABLE if the store is damaged */
  require(): void {
    const damage = this.#report(this.#current())
    if (damage) throw asRefusal(damage)
  }

  /** Records a failed read or write. Errors that say nothing about the database are ignored. */
  note(error: unknown): void {
    if (this.#isClosed || !(error instanceof CurfewError) || !hasCode(error, 'CURFEW_STORE_UNAVAILABLE'))
      return
    this.noteDamage(damageOf(error))
  }

  /** Records damage that `verify` can confirm or refute. */
  noteDamage(damage: Damage): void {
    if (!this.#failure) this.#fail(damage)
    this.#report(this.#current())
  }

  #current(): Damage | null {
    const loss = this.#options.files.loss()
    return loss ? FILE_LOSS[loss] : this.#failure
  }

  #fail(damage: Damage): void {
    this.#failure = damage
    this.#options.onFailure()
    this.#verifyAt = this.#options.clock.monotonic()
  }

  #verify(): void {
    const { clock, verify } = this.#options
    const startedAt = clock.monotonic()
    this.#failure = verify()
    const endedAt = clock.monotonic()
    const duration = endedAt - startedAt
    this.#verifyAt = duration < LONG_CHECK_MS ? endedAt : endedAt + PAUSE_PER_CHECK * duration
  }

  #report(damage: Damage | null): Damage | null {
    const { log } = this.#options
    if (damage?.reason === this.#reported?.reason) return damage
    this.#reported = damage
    if (damage)
      log.error(
        { detail: damage.reason, action: damage.action },
        'the database is damaged; signals are refused',
      )
    else log.info({}, 'the database works again; signals are accepted')
    return damage
  }
}
