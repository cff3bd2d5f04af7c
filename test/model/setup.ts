import fc from 'fast-check'
import type { TenantSettings } from './tenant.ts'

/** Initial state of a run. */
export interface Setup {
  /** For delays, jitter, and the choice of each token's lag. */
  seed: number
  tenant: TenantSettings
  /** How far the wall clocks of the processes are ahead of true time. */
  skewsMs: number[]
  databaseSkewMs: number
  latencyMs: number
  /** How long a token may not be listed yet, or may still be listed; one of each is chosen per token. */
  issueLagsMs: number[]
  deleteLagsMs: number[]
  concurrency: number
}

const skew = fc.constantFrom(0, 0, 250, -250, 3_000, -3_000, 60_000, -60_000, 600_000, -600_000)

export const anySetup: fc.Arbitrary<Setup> = fc.record({
  seed: fc.nat({ max: 1_000_000 }),
  tenant: fc.record({
    skewMs: fc.oneof(fc.nat({ max: 999 }), skew),
    paging: fc.constantFrom('cursor', 'offset'),
    pageSize: fc.constantFrom(100, 1, 2, 3, 5),
    folding: fc.constantFrom('ascii', 'unicode'),
    limits: fc.record({
      1: fc.constantFrom(1_000, 120, 60),
      2: fc.constantFrom(100, 12, 5),
    }),
    windowMs: fc.constantFrom(20_000, 60_000),
    absentDelete: fc.constantFrom(404, 204),
  }),
  skewsMs: fc.tuple(skew, skew, skew),
  databaseSkewMs: skew,
  latencyMs: fc.constantFrom(2, 20, 60, 400),
  issueLagsMs: fc.constantFrom([0], [0, 500], [0, 1_500, 4_000], [0, 3_000, 4_900]),
  deleteLagsMs: fc.constantFrom([0], [0, 500], [3_000], [5_000, 8_000], [0, 0, 0, 75_000]),
  concurrency: fc.constantFrom(8, 2, 1),
})
