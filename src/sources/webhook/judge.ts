import { CurfewError } from '../../errors.ts'
import type { Reason, Signal } from '../../revocation/signal.ts'
import type { TenantNames } from '../../revocation/tenant-bounds.ts'
import type { CommonConfig } from '../source-schema.ts'
import { type Statement, sourceSignal } from '../source-signal.ts'
import { expand, valueAt } from '../template.ts'
import { isEvent, type Preset } from './preset.ts'

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
  now: number
}

/** What a source's events mean: each is judged on its own, one that is bad does not spoil the rest. */
export function judge(events: readonly unknown[], options: JudgeOptions): Judgement {
  const { config } = options
  const judgement: Judgement = { signals: [], isDated: true, ignored: 0, rejected: [] }
  for (const event of events) {
    try {
      const said = read(event, options)
      if (said) {
        judgement.signals.push(sourceSignal(config, said, options))
        judgement.isDated &&= said.occurredAt !== null
      } else judgement.ignored += 1
    } catch (error) {
      if (!(error instanceof CurfewError)) throw error
      judgement.rejected.push(error)
    }
  }
  return judgement
}

/** What an event says; null where it ends no session. @throws CURFEW_BODY_UNREADABLE */
function read(event: unknown, { config, preset }: JudgeOptions): Statement | null {
  if (!isEvent(event)) throw new CurfewError('CURFEW_BODY_UNREADABLE')
  const values = preset.read ? preset.read(event) : event
  const type = values ? expand(preset.type, values) : null
  const counted = config.events ?? preset.events
  const reason = type !== null && Object.hasOwn(counted, type) ? counted[type] : undefined
  if (reason === undefined) return null
  const occurredAt = preset.occurredAt === undefined ? null : instantOf(valueAt(values, preset.occurredAt))
  return { values, user: preset.user, reason, occurredAt }
}

/** The earliest time that can only be in milliseconds: in seconds it would be the year 5138. */
const LEAST_MS = 1e11
/** The earliest time that is one: what is before is in another unit, and would keep every token. */
const LEAST_S = 1e9

/** With its offset: without one it could be anybody's time. */
const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i

/** ms since the epoch, of ISO 8601, or of seconds or milliseconds; null for whatever else: then it was just now. */
export function instantOf(value: unknown): number | null {
  if (typeof value === 'string' && ISO_8601.test(value)) return orNull(Date.parse(value))
  const number = typeof value === 'string' && /^\d{10,13}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || number < LEAST_S) return null
  return orNull(Math.floor(number >= LEAST_MS ? number : number * 1000))
}

function orNull(milliseconds: number): number | null {
  return milliseconds >= LEAST_S * 1000 && Number.isSafeInteger(milliseconds) ? milliseconds : null
}
