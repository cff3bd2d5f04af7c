import t, { type Test } from 'tap'
import { Confirmations } from '../../src/revocation/confirmations.ts'
import type { ConfirmationsRequest } from '../../src/revocation/store/confirmation-store.ts'
import type { Confirmation } from '../../src/revocation/transitions.ts'
import { SILENT } from '../conformance/stores.ts'
import { nextCall } from '../support/events.ts'
import { openRuns } from '../support/runs.ts'

interface Given {
  tokens: number
  /** How many times the store rejects a write. */
  failures?: number
}

/** A completed revocation with a due confirming listing, in a store that hands it out at each claim. */
async function setUp(t: Test, { tokens, failures = 0 }: Given) {
  const runs = await openRuns(t)
  const { clock } = runs
  const user = runs.userWithTokens(tokens, { issuedAt: clock.now() + 60_000 })
  const revocation = runs.revocation({ userId: user.id })
  const result = await runs.run(revocation)
  if (result.ended !== 'completed') throw result.error
  clock.advance(7_000)
  const { resolved, proof, outcome } = result
  const found = { outcome, tokens: result.tokens, resolved, proof }
  const completed = { ...revocation, ...found, status: 'completed' } as const
  const confirmed = Promise.withResolvers<Confirmation>()
  const done = Promise.withResolvers<void>()
  const counts = { claims: 0, refused: 0 }
  const confirmations = new Confirmations({
    store: {
      clock: () => ({ clock: 'own', offset: { earliest: 0, latest: 0 } }),
      async claimConfirmations(_request: ConfirmationsRequest) {
        counts.claims += 1
        return { claimed: [completed], postponed: 0 }
      },
      async confirm(_id, confirmation) {
        if (counts.refused < failures) {
          counts.refused += 1
          throw new Error('no connection')
        }
        confirmed.resolve(confirmation)
        return null
      },
    },
    tenants: { get: () => runs.qlik },
    ...{ clock, now: clock.now, log: SILENT, random: () => 0.5, runsPerTenant: () => 10 },
    onConfirmed: () => {},
    onDone: done.resolve,
  })
  t.teardown(() => confirmations.stop())
  const before = runs.sandbox.tenant.calls.length
  const calls = () => runs.sandbox.tenant.calls.length - before
  return { runs, confirmations, confirmed: confirmed.promise, done: done.promise, counts, calls }
}

t.test('a confirming listing that takes longer than its claim continues', async (t) => {
  const { runs, confirmations, confirmed, counts, calls } = await setUp(t, { tokens: 250 })
  const { clock, sandbox } = runs
  const arrived = nextCall(sandbox, ({ route }) => route === 'list', 'arrived')
  await confirmations.claim(clock.now())
  await arrived
  // No report for the duration of the claim.
  await confirmations.claim(clock.now())
  t.equal(counts.claims, 2)
  t.match(await runs.drive(confirmed), { found: 'nothing', proof: { pages: 3, listings: 2 } })
  t.equal(calls(), 6, 'no page is read twice')
})

t.test('the result of a listing is reported until the store accepts it', async (t) => {
  const { runs, confirmations, confirmed, counts, calls } = await setUp(t, { tokens: 3, failures: 2 })
  await confirmations.claim(runs.clock.now())
  t.match(await runs.drive(confirmed), { found: 'nothing', proof: { pages: 1 } })
  t.equal(counts.refused, 2)
  t.equal(calls(), 1, 'the user is not listed again')
})

t.test('during shutdown it is tried once more, and then the listing is due again', async (t) => {
  const { runs, confirmations, counts, done } = await setUp(t, { tokens: 3, failures: 9 })
  await confirmations.claim(runs.clock.now())
  while (counts.refused < 1) await new Promise((resolve) => setImmediate(resolve))
  const stopped = confirmations.stop()
  await runs.drive(Promise.all([stopped, done]))
  t.equal(counts.refused, 2)
})
