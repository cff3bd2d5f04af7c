import t from 'tap'
import { confirmAfter, grantLimits } from '../../src/revocation/grant-limits.ts'

const from = (earliest: number, latest: number) => ({ earliest, latest })

t.test(
  'grants up to 5 s after the signal belong to it; a time known less precisely leaves some undecided',
  async (t) => {
    for (const [tenant, certain, undecidedUntil, confirm] of [
      [from(1_000, 1_000), 6_000, null, 7_000],
      [from(1_000, 2_000), 6_000, null, 7_000],
      [from(1_999, 2_300), 6_999, null, 7_300],
      [from(1_500, 6_500), 6_500, null, 11_500],
      [from(1_500, 6_501), 6_500, 6_501, 11_501],
      [from(0, 60_000), 5_000, 60_000, 65_000],
      [from(1_000, Number.POSITIVE_INFINITY), 6_000, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ] as const) {
      const limits = grantLimits(tenant)
      t.same(limits, { certain, undecidedUntil }, JSON.stringify(tenant))
      t.equal(confirmAfter(tenant), confirm)
    }
  },
)
