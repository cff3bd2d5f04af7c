import { AccessTokenCache } from '../../../base/access-token.ts'
import type { Clock } from '../../../base/clock.ts'
import type { Log } from '../../../base/log.ts'
import { transmitterSecret } from '../entry.ts'
import { requestAccessToken } from './client-credentials.ts'
import type { StreamOwner } from './own-streams.ts'
import { problemOf } from './transmitter-answers.ts'
import type { SendToTransmitter } from './transmitter-http.ts'

/** By what a transmitter is asked. */
export interface TransmitterAccess {
  /** A bearer token; rejects where none can be had. */
  token(): Promise<string>
  /** The transmitter has refused this one. Whether there is another one to be had. */
  renew(refused: string): boolean
}

export interface TransmitterAccessOptions {
  send: SendToTransmitter
  clock: Clock
  log: Pick<Log, 'warn'>
  signal: AbortSignal
}

/** The token of the entry, or those that its OAuth client gets: each is kept until it ends or is refused. */
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
    log.warn(details, 'the access token for the transmitter could not be renewed ahead of time')
  }
  const fetch = () => requestAccessToken({ ...oauth, secret }, { send, signal })
  const tokens = new AccessTokenCache(fetch, { clock, onRenewalFailure })
  return {
    token: async () => (await tokens.get()).value,
    renew(refused) {
      tokens.invalidate(refused)
      return true
    },
  }
}
