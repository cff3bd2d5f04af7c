import { UsageError } from '../base/errors.ts'
import { decideById } from './decide-by-id.ts'
import { type DecisionOptions, decideMatching, type Filters, filtersOf, requireNoDryRun } from './matching.ts'

/** The command `retry`: by id, or all that match filters. Sets the exit code 1 if one cannot be retried. */
export async function retryCommand(
  ids: string[],
  { failed, ...options }: Filters & DecisionOptions & { failed?: boolean },
): Promise<void> {
  if (failed && options.status !== undefined) throw new UsageError('Choose --failed or --status, not both.')
  const filters = filtersOf(failed ? { ...options, status: 'failed' } : options)
  if ((filters === null) === (ids.length === 0))
    throw new UsageError(
      'Name revocations, or filters such as --failed: one of the two.\n\nUsage: curfew retry [options] [id...]',
    )
  if (filters) return decideMatching('retry', filters, options)
  requireNoDryRun(options)
  await decideById('retry', ids, options)
}
