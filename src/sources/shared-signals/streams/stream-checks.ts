import type { Check } from '../../../base/check.ts'
import type { SharedSignalsSource } from '../entry.ts'
import type { EventStreams } from './event-streams.ts'

/** With more streams than this, only those that are not ok are listed, up to this number. */
const MAX_LISTED = 20

/** The state of the event streams, for readiness. A failed stream is only a warning: other sources still work. */
export function streamChecks(sources: readonly SharedSignalsSource[], streams: EventStreams): Check[] {
  const checks = sources.flatMap((source) => check(source, streams) ?? [])
  if (checks.length <= MAX_LISTED) return checks
  return checks.filter(({ status }) => status !== 'ok').slice(0, MAX_LISTED)
}

function check(source: SharedSignalsSource, streams: EventStreams): Check | null {
  const state = streams.get(source)
  if (!state) return null
  const name = `stream:${source.config.name}`
  if (state.problem !== null) return { name, status: 'warning', detail: state.problem }
  if (state.status === 'paused' || state.status === 'disabled')
    return { name, status: 'warning', detail: `The transmitter reports that the stream is ${state.status}.` }
  return { name, status: 'ok', ...(state.isVerified ? { detail: 'verified' } : {}) }
}
