import t from 'tap'
import type { Revocation } from '../../src/client/types.ts'
import { proofInWords } from '../../src/dashboard/proof.ts'
import { provesGone, ROLES } from '../../src/revocation/proof.ts'

const PROOF = {
  ...{ at: '2026-11-28T12:00:03.000Z', pages: 1, listings: 1, client: 'c1', scope: 'admin_classic' },
  ...{ role: 'tenant-admin', userExists: true },
}

/** A completed and verified revocation. */
const DONE: Revocation = {
  ...{ id: 'r1', tenant: 'default', user: { userId: 'u1' }, source: 'okta', senders: [], reason: 'logout' },
  ...{ status: 'completed', outcome: 'revoked', verified: true, proof: PROOF, verificationDueAt: null },
  tokens: { found: 2, revoked: 2, alreadyGone: 0, kept: 0, remaining: 0, undecided: 0 },
  ...{ supersededBy: null, waitingFor: null, nextAttemptAt: null, error: null },
  ...{ occurredAt: PROOF.at, acceptedAt: PROOF.at, completedAt: PROOF.at, estimatedCompletionAt: null },
}

const wordsFor = (different: Partial<Revocation>) =>
  proofInWords({ ...DONE, ...different }).replaceAll(/<[^>]+>/g, '')
const unverified = (different: Partial<typeof PROOF> = {}, others: Partial<Revocation> = {}) =>
  wordsFor({ verified: false, proof: { ...PROOF, ...different }, ...others })

t.test('a verified revocation is proven by its listing', async (t) => {
  t.match(
    wordsFor({}),
    /^Proven: every token in scope is gone\.A listing that began at 2026-11-28 12:00:03 UTC showed no token in scope\. It had one page/,
  )
  t.match(wordsFor({}), 'Qlik reports its role TenantAdmin')
  const pages = wordsFor({ proof: { ...PROOF, pages: 3, listings: 2 } })
  t.match(pages, 'It had 3 pages, and 2 listings in a row showed the same tokens.')
  t.match(wordsFor({ user: { email: 'a@example.com', resolved: ['u1', 'u2'] } }), 'led to 2 Qlik users')
  t.match(wordsFor({ tokens: { ...DONE.tokens, kept: 1 } }), '1 token not in scope: kept.')
})

t.test('what is not verified is never called proven, and the reason is the first of the rule', async (t) => {
  const tokens = { ...DONE.tokens, kept: 2, undecided: 2 }
  const cases: [string, string][] = [
    [
      wordsFor({ verified: false, proof: null, outcome: 'no-matching-user' }),
      'No user of the tenant has this name',
    ],
    [wordsFor({ verified: false, proof: null }), 'There is no record of the listing'],
    [unverified({ userExists: false }), 'The tenant has no user u1'],
    [unverified({ userExists: false, role: 'not-reported' }), 'Qlik does not report the role'],
    [unverified({ role: 'not-reported', pages: 2 }), 'Qlik does not report the role'],
    [unverified({ pages: 2 }, { tokens }), 'moved between the pages'],
    [unverified({}, { tokens, verificationDueAt: PROOF.at }), '2 kept tokens may have been granted before'],
    [unverified({}, { verificationDueAt: PROOF.at }), 'another listing is due at 2026-11-28 12:00:03 UTC'],
    [unverified(), 'No listing that was late enough has confirmed it'],
    [wordsFor({ status: 'failed', verified: false }), 'the revocation is not completed'],
    [wordsFor({ status: 'queued', verified: false, proof: null }), 'the revocation is not completed'],
  ]
  for (const [words, reason] of cases) {
    t.match(words, /^Not proven/)
    t.match(words, reason)
    t.notMatch(words, 'is gone')
  }
})

t.test('what is verified without a record of the listing is not called unproven', async (t) => {
  t.match(wordsFor({ proof: null }), /^Verified\./)
  t.notMatch(wordsFor({ proof: null }), 'Not proven')
})

/** Each state of a proof, with whether a confirming listing was late enough. */
const STATES = ROLES.flatMap((role) =>
  [true, false].flatMap((userExists) =>
    [1, 2].flatMap((pages) =>
      [1, 2].flatMap((listings) =>
        [0, 1].flatMap((undecided) =>
          [true, false].map((isConfirmed) => ({
            proof: { ...PROOF, role, userExists, pages, listings },
            ...{ undecided, isConfirmed },
          })),
        ),
      ),
    ),
  ),
)

t.test('the words agree with the rule', async (t) => {
  for (const { proof, undecided, isConfirmed } of STATES) {
    const { role, userExists, pages, listings } = proof
    const verified = provesGone({ ...proof, at: 0 }, { undecided, isConfirmed })
    const tokens = { ...DONE.tokens, kept: undecided, undecided }
    const words = wordsFor({ verified, proof, tokens })
    const reasons: Record<string, boolean> = {
      'Proven: every token in scope is gone': verified,
      'Qlik does not report the role': role === 'not-reported',
      'The tenant has no user': !userExists,
      'moved between the pages': pages > 1 && listings < 2,
      'kept token may have been granted': undecided > 0,
      'No listing that was late enough': !isConfirmed,
    }
    const given = Object.keys(reasons).filter((reason) => words.includes(reason))
    t.same(
      given.map((reason) => reasons[reason]),
      [true],
      JSON.stringify({ role, userExists, pages, listings, undecided, isConfirmed }),
    )
  }
})
