import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Accept } from '../revocation/accept.ts'
import type { KnowsUser } from '../revocation/knows-user.ts'
import type { RevocationStore } from '../revocation/store.ts'
import type { TenantNames } from '../revocation/tenant-bounds.ts'
import { createTakeLogoutToken } from './back-channel-logout/logout-token.ts'
import { createTakeGlobalRevocation } from './global-token-revocation/revocation-token.ts'
import type { SourceConfig } from './kinds.ts'
import { SessionSources } from './session-sources.ts'
import { EventStreams } from './shared-signals/streams/event-streams.ts'
import { StreamKeepers } from './shared-signals/streams/stream-keepers.ts'
import { createSendToTransmitter } from './shared-signals/streams/transmitter-http.ts'
import { createTakeSecurityEvent } from './shared-signals/take-security-event.ts'
import { Sources } from './sources.ts'
import { createFetchJson } from './token/fetch-json.ts'
import { createProveWebhook, createTakeWebhook } from './webhook/take-webhook.ts'

export interface OpenSourcesOptions {
  accept: Accept
  tenants: TenantNames
  clock: Clock
  /** A number from 0 up to 1, for the jitter of backoffs. */
  random: () => number
  log: Log
  /** Told of what a source has said that ends no session, or that could not be taken. */
  count: (source: string, result: 'ignored' | 'rejected', count?: number) => void
  findSession: RevocationStore['findSession']
  knowsUser: KnowsUser
}

/** Puts together the sources that are configured, and what keeps the event streams of those that have one. */
export function openSources(configs: readonly SourceConfig[], options: OpenSourcesOptions) {
  const { count, clock, log, tenants } = options
  const { fetchJson, close: closeFetch } = createFetchJson()
  const { send, close: closeSend } = createSendToTransmitter(clock)
  const sources = new Sources(configs, { fetchJson, clock })
  const sessionSources = new SessionSources(sources, tenants)
  const streams = new EventStreams(log)
  const onIgnored = (source: string) => count(source, 'ignored')
  const takeSecurityEvent = createTakeSecurityEvent({ ...options, streams, onIgnored })
  const proveWebhook = createProveWebhook(clock)
  const keepers = new StreamKeepers({
    ...options,
    sources: () => sources.ofKind('shared-signals'),
    fetchJson,
    send,
    take: takeSecurityEvent,
    streams,
    onRejected: (source) => count(source, 'rejected'),
  })
  return {
    sources,
    streams,
    sessionSources,
    takeLogoutToken: createTakeLogoutToken({ ...options, sessionSources }),
    takeGlobalRevocation: createTakeGlobalRevocation(options),
    takeSecurityEvent,
    proveWebhook,
    takeWebhook: createTakeWebhook({ ...options, proveWebhook }),
    /** Begins to keep the streams. */
    start: () => keepers.sync(),
    /** From now on these. */
    replace(configs: readonly SourceConfig[]): void {
      sources.replace(configs)
      keepers.sync()
    },
    async stop(): Promise<void> {
      await keepers.stop()
      await Promise.all([closeFetch(), closeSend()])
    },
  }
}
