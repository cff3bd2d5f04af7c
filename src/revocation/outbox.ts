import { CurfewError } from '../base/errors.ts'
import type { AuditEvent } from './audit/entry.ts'
import { type NewNotification, notificationsOf, type ReceiverConfig } from './notification.ts'
import { mayUse } from './tenant-bounds.ts'

/**
 * Decides which notifications the changes of a transaction cause. The store writes them in the same transaction. Without
 * receivers it does nothing.
 */
export class Outbox {
  #receivers: readonly ReceiverConfig[] = []
  /** Called after each commit that wrote notifications, with the names of their receivers. */
  onCommitted: (receivers: ReadonlySet<string>) => void = () => {}

  replace(receivers: readonly ReceiverConfig[]): void {
    this.#receivers = receivers
  }

  receivers(): readonly ReceiverConfig[] {
    return this.#receivers
  }

  /** Bound, so that it can be passed as a callback. */
  readonly of = (events: readonly AuditEvent[], at: number): readonly NewNotification[] =>
    this.#receivers.length === 0 ? [] : notificationsOf(events, this.#receivers, at)

  /**
   * The receiver that a signal of this tenant names, as a member of the signal.
   * @throws CURFEW_UNKNOWN_RECEIVER also if the receiver is not notified of the tenant: the answer must not reveal whether it
   * exists
   */
  named(name: string | undefined, tenant: string): string[] {
    if (name === undefined) return []
    const receiver = this.#receivers.find((one) => one.name === name)
    if (receiver && mayUse(receiver, tenant)) return [name]
    throw new CurfewError('CURFEW_UNKNOWN_RECEIVER')
  }
}
