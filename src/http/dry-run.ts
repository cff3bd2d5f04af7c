import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CurfewError, invalidMember } from '../base/errors.ts'
import type { DryRun } from '../revocation/dry-run.ts'
import type { DryRunView } from '../revocation/dry-run-view.ts'
import type { Signal } from '../revocation/signal.ts'
import { provenSender } from './authenticate.ts'
import { type Problem, toProblem } from './problems.ts'

/** For the documentation of the routes. */
export const DRY_RUNS =
  '`dryRun=true` reports what would be revoked and what kept, and does nothing; with an API key only.'

/** The query of the routes that take signals. */
export const SignalQuery = z.strictObject({
  dryRun: z
    .enum(['true', 'false', '1', '0'])
    .transform((text) => text === 'true' || text === '1')
    .optional()
    .describe('Whether to report what would be revoked, and to do nothing. Refused beside a signature.'),
})

/**
 * Whether a proven request is a dry run. A Standard Webhooks signature covers the body and not the query, so `dryRun` is
 * refused beside one whatever it says: somebody else may have added it.
 * @throws CURFEW_REQUEST_INVALID
 */
export function isDryRun(request: FastifyRequest, { dryRun }: z.infer<typeof SignalQuery>): boolean {
  if (dryRun !== undefined && provenSender(request).kind === 'webhook') {
    throw invalidMember('dryRun', 'expected only with an API key: the signature does not cover the query')
  }
  return dryRun === true
}

/**
 * What several signals would do, in their order; a failure concerns one of them. Of each kind of failure that would be a
 * server error, one line is logged.
 */
export async function previewSignals(
  request: FastifyRequest,
  signals: readonly Signal[],
  dryRun: DryRun,
): Promise<({ dryRun: DryRunView } | { error: Problem })[]> {
  const logged = new Set<string>()
  return (await dryRun(signals)).map((result) => {
    if (!(result instanceof CurfewError)) return { dryRun: result }
    const problem = toProblem(result)
    if (problem.status >= 500 && !logged.has(result.code)) {
      logged.add(result.code)
      request.log.error({ code: result.code, err: result }, 'a dry run failed for some of its users')
    }
    return { error: problem }
  })
}

/** What one signal would do. It is neither accepted nor a repetition of one. */
export async function previewSignal(signal: Signal, dryRun: DryRun): Promise<DryRunView> {
  const [result] = await dryRun([signal])
  if (!result) throw new Error('The dry run of a signal ended without a result.')
  if (result instanceof CurfewError) throw result
  return result
}
