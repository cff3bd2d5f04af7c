import t from 'tap'
import { Confirmations } from '../../src/revocation/confirmations.ts'
import type { ConfirmationsRequest } from '../../src/revocation/store.ts'
import type { Confirmation } from '../../src/revocation/transitions.ts'
import { SILENT } from '../conformance/stores.ts'
import { nextCall } from '../support/events.ts'
import { openRuns } from '../support/runs.ts'

t.test('a confirming listing that takes longer than its claim lasts goes on', async (t) => {
  const runs = await openRuns(t)
  const { clock, sandbox } = runs
  const user = runs.userWithTokens(250, { issuedAt: clock.now() + 60_000 })
  const revocation = runs.revocation({ userId: user.id })
  const result = await runs.run(revocation)
  if (result.ended !== 'completed') throw result.error
  clock.advance(7_000)
  const { resolved, proof, tokens, outcome } = result
  const completed = { ...revocation, status: 'completed', outcome, tokens, resolved, proof } as const
  const confirmed = Promise.withResolvers<Confirmation>()
  let claims = 0
  const confirmations = new Confirmations({
    store: {
      clock: () => ({ clock: 'own', offset: { earliest: 0, latest: 0 } }),
      async claimConfirmations(_request: ConfirmationsRequest) {
        claims += 1
        return { claimed: [completed], postponed: 0 }
      },
      async confirm(_id, confirmation) {
        confirmed.resolve(confirmation)
        return null
      },
    },
    tenants: { get: () => runs.qlik },
    ...{ clock, now: clock.now, log: SILENT, random: () => 0.5, runsPerTenant: () => 10 },
    onConfirmed: () => {},
    onDone: () => {},
  })
  const before = sandbox.tenant.calls.length
  const arrived = nextCall(sandbox, ({ route }) => route === 'list', 'arrived')
  await confirmations.claim(clock.now())
  await arrived
  // Nothing was heard of it for as long as it was claimed.
  await confirmations.claim(clock.now())
  t.equal(claims, 2)
  t.match(await runs.drive(confirmed.promise), { found: 'nothing', proof: { pages: 3, listings: 2 } })
  const calls = sandbox.tenant.calls.slice(before)
  t.equal(calls.length, 6, 'no page is listed again')
  await confirmations.stop()
})
