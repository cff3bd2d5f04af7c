import t from 'tap'
import { withDefaults } from '../../src/sandbox/options.ts'

t.test("limits default to Qlik's", async (t) => {
  t.match(withDefaults({}), { tier1Limit: 5_000, tier2Limit: 500, windowMs: 300_000, pageSizeMax: 100 })
  t.match(withDefaults({ tier2Limit: 7, windowMs: undefined }), { tier2Limit: 7, windowMs: 300_000 })
})
