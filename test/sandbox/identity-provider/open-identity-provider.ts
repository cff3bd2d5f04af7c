import type { Test } from 'tap'
import {
  type IdentityProvider,
  type IdentityProviderOptions,
  openIdentityProvider,
} from '../../../src/sandbox/identity-provider/identity-provider.ts'
import { SignalOrder } from '../../../src/sandbox/identity-provider/order.ts'
import type { Person } from '../../../src/sandbox/identity-provider/token-kinds.ts'
import { testClock } from '../../support/clock.ts'
import {
  type SourceService,
  type SourceServiceOptions,
  startWithSources,
} from '../../support/source-service.ts'

export interface TriedService {
  provider: IdentityProvider
  service: SourceService
  ann: Person
  /** Sends a signal for Ann to the service. */
  send(order: Record<string, unknown>): ReturnType<IdentityProvider['send']>
}

/** The real service with the sources of an identity provider, and a user with three tokens. All close with the test. */
export async function tryService(
  t: Test,
  isWanted: (name: unknown) => boolean = () => true,
  { options = {}, ...provided }: IdentityProviderOptions & { options?: SourceServiceOptions } = {},
): Promise<TriedService> {
  const { now } = options.clock ?? testClock
  const provider = await openIdentityProvider({ now, ...provided })
  t.teardown(provider.close)
  const entries = provider.sources.filter(({ name }) => isWanted(name))
  const service = await startWithSources(t, entries, options)
  const user = service.userWithTokens(3, { email: 'ann@example.com', subject: 'idp|ann' })
  const ann = { userId: user.id, subject: user.subject, email: user.email }
  return {
    provider,
    service,
    ann,
    send: (order) => provider.send(SignalOrder.parse({ curfew: service.url, ...order }), ann),
  }
}
