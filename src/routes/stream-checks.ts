import type { EventStreams } from '../sources/shared-signals/streams/event-streams.ts'
import type { OpenSource, Sources } from '../sources/sources.ts'
import type { Check } from './tenant-checks.ts'

/** Of more streams only those are listed that are not ok, and not more than so many. */
const LISTED_AT_MOST = 20

/** What is known of the event streams of Shared Signals. A stream that does not work is a warning: the others do. */
export function streamChecks(sources: Pick<Sources, 'ofKind'>, streams: EventStreams): Check[] {
  const checks = sources.ofKind('shared-signals').flatMap((source) => check(source, streams) ?? [])
  if (checks.length <= LISTED_AT_MOST) return checks
  return checks.filter(({ status }) => status !== 'ok').slice(0, LISTED_AT_MOST)
}

function check(source: OpenSource<'shared-signals'>, streams: EventStreams): Check | null {
  const state = streams.get(source)
  if (!state) return null
  const name = `stream:${source.config.name}`
  if (state.problem !== null) return { name, status: 'warning', detail: state.problem }
  if (state.status === 'paused' || state.status === 'disabled')
    return { name, status: 'warning', detail: `The transmitter says that the stream is ${state.status}.` }
  return { name, status: 'ok', ...(state.isVerified ? { detail: 'verified' } : {}) }
}
