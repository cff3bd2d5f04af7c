import t from 'tap'
import { openIssuer } from '../../../src/sources/token/issuer-source.ts'
import { fakeClock } from '../../support/clock.ts'

const CONTEXT = {
  fetchJson: async () => ({}),
  clock: fakeClock(),
  wellKnown: 'openid-configuration' as const,
}
const CONFIG = {
  kind: 'test',
  name: 'op',
  issuer: 'https://op.example',
  audience: 'client',
  algorithms: ['ES256' as const],
  jwksUri: undefined as string | undefined,
}

t.test('keys are kept while their address is the same', async (t) => {
  const before = openIssuer(CONFIG, null, CONTEXT)
  const after = (change: Partial<typeof CONFIG>) => openIssuer({ ...CONFIG, ...change }, before, CONTEXT)
  t.equal(after({ audience: 'other' }).keys, before.keys)
  t.equal(after({ audience: 'other' }).config.audience, 'other')
  t.not(after({ issuer: 'https://other.example' }).keys, before.keys)
  t.not(after({ jwksUri: 'https://keys.example/jwks' }).keys, before.keys)
})
