import t from 'tap'
import { CurfewError } from '../../src/base/errors.ts'
import type { RunResult } from '../../src/revocation/run-attempt.ts'
import { judgeRun, type RunReport } from '../../src/revocation/run-report.ts'
import { claim, newRevocation } from '../../src/revocation/transitions.ts'
import { FAILURE, PROOF, TOKENS } from '../conformance/stores.ts'
import { aSignal, T0 } from '../support/signals.ts'

const RUNNING = claim(newRevocation('r1', aSignal()), T0)
const TIME = {
  signalTime: { tenant: { earliest: T0, latest: T0 + 1_000 }, open: null, unlinked: false },
  signalTimeOf: T0,
}
const STOPPED = { ended: 'stopped', tokens: TOKENS, resolved: null, progressed: false } as const
const RESULTS: Record<string, RunResult> = {
  completed: {
    ...{ ended: 'completed', tokens: TOKENS, undecided: 0, resolved: ['u1'], outcome: 'revoked' },
    ...{ proof: PROOF, confirmInMs: 5_000 },
  },
  'put back': { ...STOPPED, error: new CurfewError(FAILURE.code) },
  failed: { ...STOPPED, error: new CurfewError('CURFEW_AMBIGUOUS_USER') },
}

function written(report: RunReport) {
  return report.do === 'end' ? report.ending : report.waiting
}

for (const [how, result] of Object.entries(RESULTS)) {
  t.test(`the signal time measured at the claim outlives a run that is ${how}`, async (t) => {
    for (const isStopped of [false, true]) {
      const context = { now: T0 + 2_000, random: 0, isStopped }
      t.match(written(judgeRun(RUNNING, { ...result, ...TIME }, context)), TIME)
      t.match(written(judgeRun({ ...RUNNING, ...TIME }, result, context)), TIME, 'and if it was not measured')
    }
  })
}
