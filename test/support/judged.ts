import { convertEvents } from '../../src/sources/webhook/convert-events.ts'
import { PRESETS, type PresetKind } from '../../src/sources/webhook/presets.ts'
import { T0 } from './signals.ts'

/** How a preset reads a body, in short: `reason kind value` of each signal, and the events without one. */
export interface Judged {
  signals: string[]
  ignored: number
  rejected: string[]
  /** The time of each signal, in ISO 8601. */
  times: string[]
}

/** @param entry relevant members of the source's entry */
export function judged(
  kind: PresetKind,
  body: unknown,
  entry: Partial<Parameters<typeof convertEvents>[1]['config']> = {},
): Judged {
  const preset = PRESETS[kind]
  const { signals, ignored, rejected } = convertEvents(preset.items(body) ?? [], {
    config: { name: 'the-source', ...entry },
    preset,
    tenants: { has: (name) => name === 'default', names: () => ['default'] },
    validUntil: T0,
    now: T0,
  })
  return {
    signals: signals.map(({ reason, user }) => `${reason} ${user.kind} ${user.value}`),
    ignored,
    rejected: rejected.map(({ code }) => code),
    times: signals.map(({ occurredAt }) => new Date(occurredAt).toISOString()),
  }
}

/** One ignored event. */
export const IGNORED = { signals: [], ignored: 1, rejected: [], times: [] }
/** One rejected event: relevant, but without a user. */
export const REJECTED = { signals: [], ignored: 0, rejected: ['CURFEW_SUBJECT_UNKNOWN'], times: [] }
