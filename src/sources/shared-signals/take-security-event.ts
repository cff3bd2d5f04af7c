import type { Clock } from '../../base/clock.ts'
import { CurfewError } from '../../base/errors.ts'
import type { Accept } from '../../revocation/accept.ts'
import type { Signal } from '../../revocation/signal.ts'
import type { TenantNames } from '../../revocation/tenant-bounds.ts'
import { authenticated, type Caller } from '../common/caller.ts'
import type { SourceContext } from '../common/part.ts'
import { sourceReplay, sourceSignal } from '../common/source-signal.ts'
import { chooseSubject } from '../common/subject-identifier.ts'
import { explainRejectedTokens } from '../token/rejected-tokens.ts'
import { verifyToken } from '../token/verify-token.ts'
import type { SharedSignalsConfig, SharedSignalsSource } from './entry.ts'
import {
  meaningOf,
  readSecurityEvent,
  reasonOf,
  SECURITY_EVENT_TOKEN,
  type SecurityEvent,
  streamStatusIn,
  verificationIn,
} from './security-event.ts'
import type { EventStreams } from './streams/event-streams.ts'
import { isOwnState, stateKeyOf } from './streams/verification-state.ts'

/**
 * Accepts one security event token, pushed or polled. When it resolves, its effect is durable.
 * @throws errors that `setErrorOf` classifies
 */
export type TakeSecurityEvent = (source: SharedSignalsSource, token: string, caller: Caller) => Promise<void>

export interface TakeSecurityEventOptions {
  accept: Accept
  tenants: TenantNames
  streams: EventStreams
  clock: Clock
  onIgnored: SourceContext['onIgnored']
}

export function createTakeSecurityEvent(options: TakeSecurityEventOptions): TakeSecurityEvent {
  const { accept, streams, clock, onIgnored } = options
  const take: TakeSecurityEvent = async (source, token, caller) => {
    const { config } = source
    const claims = await verifyToken(token, source, SECURITY_EVENT_TOKEN, clock.now())
    const event = readSecurityEvent(claims, clock.now())
    const origin = authenticated(config, caller)
    switch (meaningOf(event, config.events)) {
      case 'ends-sessions':
        await accept(
          [toSignal(config, event, options)],
          sourceReplay(config, event.jti, event.keepUntil),
          origin,
        )
        return
      case 'verification':
        return noteVerification(source, event, streams)
      case 'stream-updated': {
        const status = streamStatusIn(event)
        if (status && isOwnStream(source, event, streams)) streams.noteStatus(source, status)
        return
      }
      case 'other':
        return onIgnored(config.name, 1)
    }
  }
  return explainRejectedTokens(take, SECURITY_EVENT_TOKEN.types)
}

function toSignal(
  config: SharedSignalsConfig,
  securityEvent: SecurityEvent,
  { tenants, clock }: TakeSecurityEventOptions,
): Signal {
  const { subject, event, claims, occurredAt } = securityEvent
  const statement = {
    ...chooseSubject(subject, config, { event, claims }),
    reason: reasonOf(securityEvent),
    occurredAt,
  }
  return sourceSignal(config, statement, { tenants, now: clock.now() })
}

/**
 * A requested verification contains one of Curfew's states; an unsolicited one contains none (section 8.1.4.1). If
 * Curfew does not manage the stream, its operator may have requested it with any state. A state is valid for one
 * stream, which may be unknown to this replica if another one requested the verification.
 */
async function noteVerification(
  source: SharedSignalsSource,
  event: SecurityEvent,
  streams: EventStreams,
): Promise<void> {
  const { config } = source
  const { transmitter } = config
  if (!transmitter) return
  const { state, streamId } = verificationIn(event)
  const key = state === null ? null : await stateKeyOf({ config, transmitter })
  const id = streamId ?? streams.get(source)?.streamId ?? null
  if (state !== null && key && id !== null && isOwnState(state, id, key)) {
    streams.noteStream(source, id)
    return streams.noteVerified(source)
  }
  if (!isOwnStream(source, event, streams))
    throw new CurfewError('CURFEW_STREAM_MISMATCH', 'The verification is for another stream.')
  // While the stream is unknown, a state without a stream id cannot be checked. It is accepted but verifies nothing.
  if (state !== null && id !== null)
    throw new CurfewError('CURFEW_STREAM_STATE_UNKNOWN', 'No verification was requested with this state.')
}

/**
 * An issuer may have several streams for one audience. If either id is unknown, the event is assumed to belong to this
 * stream.
 */
function isOwnStream(source: SharedSignalsSource, event: SecurityEvent, streams: EventStreams): boolean {
  const { streamId } = verificationIn(event)
  const own = streams.get(source)?.streamId ?? null
  return own === null || streamId === null || streamId === own
}
