import { ConfiguredSources } from '../common/configured-sources.ts'
import type { SourcePart } from '../common/part.ts'
import { keysOf, openIssuer } from '../token/issuer-source.ts'
import { type SharedSignalsConfig, type SharedSignalsSource, sharedSignalsEntry } from './entry.ts'
import { securityEventsRoute } from './route.ts'
import { EventStreams } from './streams/event-streams.ts'
import { streamChecks } from './streams/stream-checks.ts'
import { StreamKeepers } from './streams/stream-keepers.ts'
import { createSendToTransmitter } from './streams/transmitter-http.ts'
import { createTakeSecurityEvent } from './take-security-event.ts'

/** Shared Signals (CAEP and RISC): events by push, or polled from a stream that Curfew manages. */
export const sharedSignals: SourcePart<SharedSignalsConfig> = {
  kinds: ['shared-signals'],
  entries: (values) => [sharedSignalsEntry(values)],
  open(context) {
    const { clock, log } = context
    const sources = new ConfiguredSources<SharedSignalsSource>((config, previous) =>
      openIssuer(config, previous, { ...context, wellKnown: 'ssf-configuration' }),
    )
    const streams = new EventStreams(log)
    const take = createTakeSecurityEvent({ ...context, streams })
    const { send, close } = createSendToTransmitter(clock)
    const keepers = new StreamKeepers({ ...context, send, take, streams })
    return {
      routes: securityEventsRoute(sources, take),
      replace(entries) {
        sources.replace(entries)
        keepers.replace(sources.all())
      },
      keys: () => sources.all().map(keysOf),
      start: () => keepers.start(),
      checks: () => streamChecks(sources.all(), streams),
      async stop() {
        await keepers.stop()
        await close()
      },
    }
  },
}
