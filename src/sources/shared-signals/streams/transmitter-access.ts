import { AccessTokenCache } from '../../../base/access-token.ts'
import type { Clock } from '../../../base/clock.ts'
import type { Log } from '../../../base/log.ts'
import { transmitterSecret } from '../entry.ts'
import { requestAccessToken } from './client-credentials.ts'
import type { StreamOwner } from './own-streams.ts'
import type { SendToTransmitter } from './transmitter-http.ts'
import { problemOf } from './transmitter-responses.ts'

/** Provides the bearer token for requests to a transmitter. */
export interface TransmitterAccess {
  /** Returns a bearer token. Rejects if none is available. */
  token(): Promise<string>
  /** Discards a token that the transmitter rejected. Returns whether another one is available. */
  renew(rejected: string): boolean
}

export interface TransmitterAccessOptions {
  send: SendToTransmitter
  clock: Clock
  log: Pick<Log, 'warn'>
  signal: AbortSignal
}

/** Uses the token of the entry, or tokens of its OAuth client, each cached until it expires or is rejected. */
export function openAccess(
  { config, transmitter }: StreamOwner,
  { send, clock, log, signal }: TransmitterAccessOptions,
): TransmitterAccess {
  const secret = transmitterSecret(transmitter)
  const { oauth } = transmitter
  if (!oauth) return { token: async () => secret, renew: () => false }
  const onRenewalFailure = (error: unknown) => {
    if (signal.aborted) return
    const details = { source: config.name, problem: problemOf(error) }
    log.warn(details, 'could not renew the access token for the transmitter early')
  }
  const fetch = () => requestAccessToken({ ...oauth, secret }, { send, signal })
  const tokens = new AccessTokenCache(fetch, { clock, onRenewalFailure })
  return {
    token: async () => (await tokens.get()).value,
    renew(rejected) {
      tokens.invalidate(rejected)
      return true
    },
  }
}
