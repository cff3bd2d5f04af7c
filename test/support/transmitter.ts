import type { Test } from 'tap'
import {
  type Asked,
  addTransmitter,
  type FakeTransmitter,
  TOKEN,
  type TransmitterOptions,
} from '../../src/sandbox/identity-provider/transmitter.ts'
import { startIssuer } from './issuer.ts'
import type { Service, ServiceOptions } from './service.ts'
import { AUDIENCE, type SetOptions, setClaims } from './shared-signals.ts'
import { type SourceService, startWithSources } from './source-service.ts'

export {
  type Asked,
  type FakeTransmitter,
  POLL,
  PUSH,
  TOKEN,
} from '../../src/sandbox/identity-provider/transmitter.ts'

/** A transmitter that closes with the test. */
export async function startTransmitter(
  t: Test,
  options: Omit<TransmitterOptions, 'audience'> = {},
): Promise<FakeTransmitter> {
  const issuer = await startIssuer(t, { typ: 'secevent+jwt', wellKnown: 'ssf-configuration' })
  return addTransmitter(issuer, { audience: AUDIENCE, ...options })
}

/** Starts the real service, which keeps a stream at the transmitter. */
export async function keepStreamAt(
  t: Test,
  fake: FakeTransmitter,
  {
    transmitter = {},
    source = {},
    ...options
  }: { transmitter?: object; source?: object } & ServiceOptions = {},
): Promise<{
  service: SourceService
  entry: object
  set: (different?: SetOptions) => Promise<string>
}> {
  const entry = {
    kind: 'shared-signals',
    name: 'idp',
    issuer: fake.issuer.url,
    audience: AUDIENCE,
    transmitter: { delivery: 'poll', ...('oauth' in transmitter ? {} : { token: TOKEN }), ...transmitter },
    ...source,
  }
  const service = await startWithSources(t, [entry], options)
  const now = () => (options.clock ?? Date).now()
  /** Queues a token and returns its jti. */
  const set = async (different: SetOptions = {}) => {
    const claims = setClaims(fake.issuer.url, now(), different)
    fake.queue(claims.jti, await fake.issuer.sign(claims))
    return claims.jti
  }
  return { service, entry, set }
}

/** The health check of the stream. */
export const checkOf = async ({ call }: Service) =>
  (await call('GET', '/health/ready')).json.checks.find(({ name }: { name: string }) => name === 'stream:idp')

/** Matches a poll that acknowledges this event. */
export const acknowledged =
  (jti: string) =>
  ({ path, body }: Asked) =>
    path === '/poll' && body.ack.includes(jti)

/** Matches a poll that refuses this event. */
export const refused =
  (jti: string) =>
  ({ path, body }: Asked) =>
    path === '/poll' && jti in body.setErrs
