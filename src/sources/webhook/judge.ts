import { CurfewError } from '../../base/errors.ts'
import { DELIVERY_WINDOW_MS } from '../../revocation/replay.ts'
import type { Reason, Signal } from '../../revocation/signal.ts'
import type { TenantNames } from '../../revocation/tenant-bounds.ts'
import type { CommonConfig } from '../common/entry.ts'
import { instantOf } from '../common/instant.ts'
import { type Statement, sourceSignal } from '../common/source-signal.ts'
import { expand, valueAt } from '../common/template.ts'
import { isEvent, type Preset } from './preset.ts'

/** A sender's clock may be so much ahead. What is later yet is no time of an event. */
const SKEW_MS = 5 * 60_000

export interface Judgement {
  signals: Signal[]
  /** Whether each of them is of an event that says when it was: then another one is not the same bytes. */
  isDated: boolean
  /** How many events end no session. */
  ignored: number
  /** Why events that should count cannot: they name no user, or no tenant that is the source's. */
  rejected: CurfewError[]
}

export interface JudgeOptions {
  config: CommonConfig & { events?: Readonly<Record<string, Reason>> | undefined }
  preset: Preset
  tenants: TenantNames
  /** Until when the delivery proves the same, sent again; ms since the epoch. */
  goodUntil: number
  now: number
}

/** What a source's events mean: each is judged on its own, one that is bad does not spoil the rest. */
export function judge(events: readonly unknown[], options: JudgeOptions): Judgement {
  const judgement: Judgement = { signals: [], isDated: true, ignored: 0, rejected: [] }
  for (const event of events) {
    try {
      const said = statementIn(event, options)
      if (said) {
        judgement.signals.push(toSignal(said, options))
        judgement.isDated &&= said.occurredAt !== null
      } else judgement.ignored += 1
    } catch (error) {
      if (!(error instanceof CurfewError)) throw error
      judgement.rejected.push(error)
    }
  }
  return judgement
}

/**
 * An event that is older than its delivery is remembered may be here a second time, where the proof is still good: it ends
 * what it would have ended when it happened, and nothing since.
 */
function toSignal(said: Statement, { config, tenants, goodUntil, now }: JudgeOptions): Signal {
  const signal = sourceSignal(config, said, { tenants, now })
  const isRepeatable =
    goodUntil > now + DELIVERY_WINDOW_MS && signal.occurredAt < now - DELIVERY_WINDOW_MS + SKEW_MS
  return isRepeatable ? { ...signal, scope: 'issued-before' } : signal
}

/** What an event says; null where it ends no session. @throws CURFEW_BODY_UNREADABLE */
function statementIn(event: unknown, { config, preset, now }: JudgeOptions): Statement | null {
  if (!isEvent(event)) throw new CurfewError('CURFEW_BODY_UNREADABLE')
  const values = preset.normalize ? preset.normalize(event) : event
  const type = values ? expand(preset.type, values) : null
  const counted = config.events ?? preset.events
  const reason = type !== null && Object.hasOwn(counted, type) ? counted[type] : undefined
  if (reason === undefined) return null
  const told = preset.occurredAt === undefined ? null : instantOf(valueAt(values, preset.occurredAt))
  const occurredAt = told !== null && told <= now + SKEW_MS ? told : null
  return { values, user: preset.user, reason, occurredAt }
}
