import fc from 'fast-check'
import t from 'tap'
import { planSurvey, type SurveyNeed } from '../../src/revocation/survey-plan.ts'

const NEED: SurveyNeed = {
  ...{ permitsPerWindow: 500, permits: 0, readsPerWindow: 5_000, reads: 5_000 },
  ...{ tokens: 32, unsized: 1_000, pages: null },
}

t.test(
  'no survey while the budget suffices, without anything to count, or when reads are short',
  async (t) => {
    t.equal(planSurvey({ ...NEED, permits: 500, tokens: 200, unsized: 300 }), 'none')
    t.equal(planSurvey({ ...NEED, permits: 500, tokens: 200, unsized: 301 }), 'whole-tenant')
    t.equal(planSurvey({ ...NEED, unsized: 0 }), 'none')
    t.equal(planSurvey({ ...NEED, reads: 2_499 }), 'none')
  },
)

t.test('few users are counted one by one, many with the list of the whole tenant', async (t) => {
  t.equal(planSurvey({ ...NEED, unsized: 10 }), 'by-user')
  t.equal(planSurvey({ ...NEED, unsized: 11 }), 'whole-tenant')
  t.equal(planSurvey({ ...NEED, pages: 999 }), 'whole-tenant')
  t.equal(planSurvey({ ...NEED, pages: 1_000 }), 'by-user')
})

t.test('the calls are at most twice those of the cheaper way', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 10_000 }), (unsized, all) => {
      let calls = 0
      let pages: number | null = null
      while (planSurvey({ ...NEED, unsized, pages }) === 'whole-tenant') {
        pages = Math.min(all, unsized)
        calls += pages
        if (pages === all) return calls <= 2 * Math.min(unsized, all)
      }
      return calls + unsized <= 2 * Math.min(unsized, Math.max(all, 10))
    }),
  )
})
