import type { Check } from '../../base/check.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { SourceEntry, SourceKinds } from '../../base/source-entry.ts'
import type { RejectedEvents } from '../../http/rejections.ts'
import type { Accept } from '../../revocation/accept.ts'
import type { KnowsUser } from '../../revocation/knows-user.ts'
import type { Origin } from '../../revocation/origin.ts'
import type { SessionSources } from '../../revocation/session-sources.ts'
import type { RevocationStore } from '../../revocation/store.ts'
import type { TenantNames } from '../../revocation/tenant-bounds.ts'
import type { FetchJson } from '../token/fetch-json.ts'
import type { SourceKeys } from '../token/key-prefetch.ts'
import type { SourceRoutes } from './route.ts'

/** What the app provides to every kind of source. */
export interface SourceContext {
  accept: Accept
  tenants: TenantNames
  sessionSources: SessionSources
  findSession: RevocationStore['findSession']
  isReplay: RevocationStore['isReplay']
  knowsUser: KnowsUser
  fetchJson: FetchJson
  clock: Clock
  /** A number from 0 up to 1, for the jitter of backoffs. */
  random: () => number
  log: Log
  /** Called for events that end no session. */
  onIgnored: (source: string, events: number) => void
  /** Called for rejected events whose request is accepted, and for rejected events that Curfew fetched. */
  onRejected: (rejected: RejectedEvents) => void
  /** Called for accepted events that Curfew fetched. */
  onAccepted: (origin: Origin) => void
}

/**
 * An optional protocol for receiving logouts: a folder, and a line in `src/parts.ts`. To add one, see CONTRIBUTING.md.
 * @typeParam Entry an entry of its kinds, as parsed by its schema
 */
export interface SourcePart<Entry extends SourceEntry = SourceEntry> extends SourceKinds {
  /** Whether its tokens name sessions (`sid`), which `PUT /sessions/{sid}` records. */
  namesSessions?: boolean
  open(context: SourceContext): OpenPart<Entry>
}

/** An opened part. */
export interface OpenPart<Entry extends SourceEntry = SourceEntry> {
  /** Serves the requests of its sources, below `/sources/{name}`. */
  routes: SourceRoutes
  /** Replaces its sources; all are of its kinds. Called once before the start, then at each reload. */
  replace(entries: readonly Entry[]): void
  /** The issuer keys of its sources, which are fetched in the background at start and after each reload. */
  keys?(): SourceKeys[]
  /** Starts its background work, if it has any. */
  start?(): void
  /** Its checks for readiness. */
  checks?(): Check[]
  /** Ends its background work, and closes its connections. */
  stop?(): Promise<void>
}
