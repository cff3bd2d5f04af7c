import t, { type Test } from 'tap'
import { Confirmations } from '../../src/revocation/confirmations.ts'
import type { ConfirmationsRequest } from '../../src/revocation/store.ts'
import type { Confirmation } from '../../src/revocation/transitions.ts'
import { SILENT } from '../conformance/stores.ts'
import { nextCall } from '../support/events.ts'
import { openRuns } from '../support/runs.ts'

interface Given {
  tokens: number
  /** How often the store takes nothing. */
  failures?: number
}

/** A completed revocation whose confirming listing is due, in a store that hands it out at each claim. */
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

t.test('a confirming listing that takes longer than its claim lasts goes on', async (t) => {
  const { runs, confirmations, confirmed, counts, calls } = await setUp(t, { tokens: 250 })
  const { clock, sandbox } = runs
  const arrived = nextCall(sandbox, ({ route }) => route === 'list', 'arrived')
  await confirmations.claim(clock.now())
  await arrived
  // Nothing was heard of it for as long as it was claimed.
  await confirmations.claim(clock.now())
  t.equal(counts.claims, 2)
  t.match(await runs.drive(confirmed), { found: 'nothing', proof: { pages: 3, listings: 2 } })
  t.equal(calls(), 6, 'no page is listed again')
})

t.test('what a listing has shown is reported until the store takes it', async (t) => {
  const { runs, confirmations, confirmed, counts, calls } = await setUp(t, { tokens: 3, failures: 2 })
  await confirmations.claim(runs.clock.now())
  t.match(await runs.drive(confirmed), { found: 'nothing', proof: { pages: 1 } })
  t.equal(counts.refused, 2)
  t.equal(calls(), 1, 'and the user is not listed again')
})

t.test('while the service stops it is tried once more: the listing is found due again', async (t) => {
  const { runs, confirmations, counts, done } = await setUp(t, { tokens: 3, failures: 9 })
  await confirmations.claim(runs.clock.now())
  while (counts.refused < 1) await new Promise((resolve) => setImmediate(resolve))
  const stopped = confirmations.stop()
  await runs.drive(Promise.all([stopped, done]))
  t.equal(counts.refused, 2)
})
