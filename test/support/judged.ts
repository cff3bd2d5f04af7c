import { judge } from '../../src/sources/webhook/judge.ts'
import { PRESETS, type PresetKind } from '../../src/sources/webhook/presets.ts'
import { T0 } from './signals.ts'

/** What a preset makes of a body, in short: `reason kind value` of each signal, and how many are of no use. */
export interface Judged {
  signals: string[]
  ignored: number
  rejected: string[]
  /** When each was, in ISO 8601. */
  times: string[]
}

/** @param entry members of the source's entry that matter */
export function judged(
  kind: PresetKind,
  body: unknown,
  entry: Partial<Parameters<typeof judge>[1]['config']> = {},
): Judged {
  const preset = PRESETS[kind]
  const { signals, ignored, rejected } = judge(preset.items(body) ?? [], {
    config: { name: 'the-source', ...entry },
    preset,
    tenants: { has: (name) => name === 'default', names: () => ['default'] },
    goodUntil: T0,
    now: T0,
  })
  return {
    signals: signals.map(({ reason, user }) => `${reason} ${user.kind} ${user.value}`),
    ignored,
    rejected: rejected.map(({ code }) => code),
    times: signals.map(({ occurredAt }) => new Date(occurredAt).toISOString()),
  }
}

/** One event that is ignored. */
export const IGNORED = { signals: [], ignored: 1, rejected: [], times: [] }
/** One event that should count, and names no user. */
export const REJECTED = { signals: [], ignored: 0, rejected: ['CURFEW_SUBJECT_UNKNOWN'], times: [] }
