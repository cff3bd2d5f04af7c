import { CurfewError } from '../../base/errors.ts'
import { DELIVERY_WINDOW_MS } from '../../revocation/replay.ts'
import type { Reason, Signal } from '../../revocation/signal.ts'
import type { TenantNames } from '../../revocation/tenant-bounds.ts'
import type { CommonConfig } from '../common/entry.ts'
import { instantOf } from '../common/instant.ts'
import { type Statement, sourceSignal } from '../common/source-signal.ts'
import { expand, valueAt } from '../common/template.ts'
import { isEvent, type Preset } from './preset.ts'

/** How far a sender's clock may be ahead. A later time is not used as the time of an event. */
const SKEW_MS = 5 * 60_000

export interface ConvertedEvents {
  signals: Signal[]
  /** Whether each signal's event contains a time, so that a second logout never has the same bytes. */
  isDated: boolean
  /** Number of events that end no session. */
  ignored: number
  /** Errors of events that should end a session but name no user, or no tenant that the source may name. */
  rejected: CurfewError[]
}

export interface ConvertOptions {
  config: CommonConfig & { events?: Readonly<Record<string, Reason>> | undefined }
  preset: Preset
  tenants: TenantNames
  /** Until when the same delivery is accepted as proof; ms since the epoch. */
  validUntil: number
  now: number
}

/** Converts a source's events to signals, each independently: an invalid event does not affect the others. */
export function convertEvents(events: readonly unknown[], options: ConvertOptions): ConvertedEvents {
  const converted: ConvertedEvents = { signals: [], isDated: true, ignored: 0, rejected: [] }
  for (const event of events) {
    try {
      const statement = statementIn(event, options)
      if (statement) {
        converted.signals.push(toSignal(statement, options))
        converted.isDated &&= statement.occurredAt !== null
      } else converted.ignored += 1
    } catch (error) {
      if (!(error instanceof CurfewError)) throw error
      converted.rejected.push(error)
    }
  }
  return converted
}

/**
 * A delivery whose proof is valid for longer than deliveries are remembered can arrive again unrecognized. If its event
 * is that old, its signal ends only tokens issued before the event.
 */
function toSignal(statement: Statement, { config, tenants, validUntil, now }: ConvertOptions): Signal {
  const signal = sourceSignal(config, statement, { tenants, now })
  const isRepeatable =
    validUntil > now + DELIVERY_WINDOW_MS && signal.occurredAt < now - DELIVERY_WINDOW_MS + SKEW_MS
  return isRepeatable ? { ...signal, scope: 'issued-before' } : signal
}

/** The statement of an event; null if it ends no session. @throws CURFEW_BODY_UNREADABLE */
function statementIn(event: unknown, { config, preset, now }: ConvertOptions): Statement | null {
  if (!isEvent(event)) throw new CurfewError('CURFEW_BODY_UNREADABLE')
  const values = preset.normalize ? preset.normalize(event) : event
  const type = values ? expand(preset.type, values) : null
  const ending = config.events ?? preset.events
  const reason = type !== null && Object.hasOwn(ending, type) ? ending[type] : undefined
  if (reason === undefined) return null
  const time = preset.occurredAt === undefined ? null : instantOf(valueAt(values, preset.occurredAt))
  const occurredAt = time !== null && time <= now + SKEW_MS ? time : null
  return { values, user: preset.user, reason, occurredAt }
}
