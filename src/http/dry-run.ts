import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CurfewError, invalidMember } from '../base/errors.ts'
import type { DryRun } from '../revocation/dry-run.ts'
import { DryRunView } from '../revocation/dry-run-view.ts'
import { RevocationView } from '../revocation/revocation-view.ts'
import type { Signal } from '../revocation/signal.ts'
import { provenSender } from './authenticate.ts'
import { originOf } from './origin-of.ts'
import { type Problem, problemAnswer, toProblem } from './problems.ts'

/** For the OpenAPI descriptions. */
export const DRY_RUNS =
  '`dryRun=true` reports which tokens would be revoked and which kept, without changing anything. It requires an API key.'

/** The answers of a route that takes one signal, and dry runs of it. */
export const SIGNAL_ANSWERS = {
  200: z
    .union([RevocationView, DryRunView])
    .describe('The revocation ended in time, or the result of a dry run'),
  202: RevocationView.describe('The signal is durable'),
  default: problemAnswer,
}

/** The query of the routes that accept signals. */
export const SignalQuery = z.strictObject({
  dryRun: z
    .enum(['true', 'false', '1', '0'])
    .transform((text) => text === 'true' || text === '1')
    .optional()
    .describe('Report what would be revoked without changing anything. Rejected on signed requests.'),
})

/**
 * Whether an authenticated request is a dry run. A Standard Webhooks signature covers the body but not the query, so
 * `dryRun` is rejected on signed requests, regardless of its value: a third party could have added it.
 * @throws CURFEW_REQUEST_INVALID
 */
export function isDryRun(request: FastifyRequest, { dryRun }: z.infer<typeof SignalQuery>): boolean {
  if (dryRun !== undefined && provenSender(request).kind === 'webhook') {
    throw invalidMember('dryRun', 'expected only with an API key: the signature does not cover the query')
  }
  return dryRun === true
}

/**
 * Previews several signals, in order. Each can fail individually. One line is logged per error code with a 5xx status.
 */
export async function previewSignals(
  request: FastifyRequest,
  signals: readonly Signal[],
  dryRun: DryRun,
): Promise<({ dryRun: DryRunView } | { error: Problem })[]> {
  const logged = new Set<string>()
  return (await dryRun(signals, originOf(request))).map((result) => {
    if (!(result instanceof CurfewError)) return { dryRun: result }
    const problem = toProblem(result)
    if (problem.status >= 500 && !logged.has(result.code)) {
      logged.add(result.code)
      request.log.error({ code: result.code, err: result }, 'a dry run failed for some users')
    }
    return { error: problem }
  })
}

/** Previews one signal. The signal is not accepted, and no replay key is recorded or looked up. */
export async function previewSignal(
  request: FastifyRequest,
  signal: Signal,
  dryRun: DryRun,
): Promise<DryRunView> {
  const [result] = await dryRun([signal], originOf(request))
  if (!result) throw new Error('The dry run of a signal returned no result.')
  if (result instanceof CurfewError) throw result
  return result
}
