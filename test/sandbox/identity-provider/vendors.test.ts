import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import t from 'tap'
import { parts } from '../../../src/parts.ts'
import { VENDORS } from '../../../src/sandbox/identity-provider/vendors.ts'

t.test('the vendors are those of the webhook sources', async (t) => {
  const kinds = parts.sources.flatMap<string>((part) => part.kinds)
  const named = new Set<string>(VENDORS.map(({ kind }) => kind))
  const others = ['oidc-back-channel-logout', 'global-token-revocation', 'shared-signals']
  t.same(
    kinds.filter((kind) => !named.has(kind)),
    others,
  )
})

t.test('the libraries of Svix and Standard Webhooks accept the signatures', async (t) => {
  const verifiers = { svix: SvixWebhook, webhook: StandardWebhook }
  for (const { kind, secret, sample, sign, proofHeader } of VENDORS) {
    const Verifier = verifiers[proofHeader.replace('-signature', '') as keyof typeof verifiers]
    if (!Verifier) continue
    const body = JSON.stringify(sample('e1'))
    const headers = await sign(body, { secret, at: Date.now() })
    t.doesNotThrow(() => new Verifier(secret.replace('v1,', '')).verify(body, headers), kind)
    t.throws(() => new Verifier(secret.replace('v1,', '')).verify(`${body} `, headers), kind)
  }
})

t.test('a sample can name another user and another time', async (t) => {
  const at = Date.parse('2026-11-27T12:00:00Z')
  for (const { kind, sample, expected } of VENDORS) {
    const text = JSON.stringify(sample('e1', { user: 'another-user', at }))
    t.match(text, '"another-user"', kind)
    t.notMatch(text, `"${expected.user.value}"`, kind)
    if (expected.occurredAt) t.match(text, /2026-11-27T12:00:00|17957\d{5}/, kind)
  }
})
