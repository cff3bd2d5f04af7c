import { UsageError } from '../base/errors.ts'
import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { count, print, printable, printJson } from '../cli/terminal.ts'
import { CurfewApiError, type CurfewClient, type Revocation } from '../client/client.ts'
import { changeMatching, type Filters, filtersOf, type MatchingOptions, requireFilters } from './matching.ts'

interface Result {
  id: string
  status: string | null
  error: { code: string; message: string } | null
}

/** The command `retry`: by id, or all that match filters. Sets the exit code 1 if one cannot be retried. */
export async function retryCommand(
  ids: string[],
  { failed, ...options }: Filters & MatchingOptions & { failed?: boolean },
): Promise<void> {
  if (failed && options.status !== undefined) throw new UsageError('Choose --failed or --status, not both.')
  const filters = filtersOf(failed ? { ...options, status: 'failed' } : options)
  if ((filters === null) === (ids.length === 0))
    throw new UsageError(
      'Name revocations, or filters such as --failed: one of the two.\n\nUsage: curfew retry [options] [id...]',
    )
  if (filters) return changeMatching('retry', filters, options)
  requireFilters(options)
  const client = connect(options.profile)
  const results: Result[] = []
  for (const id of ids) results.push(await retryOne(client, id))
  if (results.some(({ error }) => error !== null)) process.exitCode = EXIT.no
  show(options.json, results)
}

async function retryOne(client: CurfewClient, id: string): Promise<Result> {
  try {
    const path = `/revocations/${encodeURIComponent(id)}/retry`
    const { status } = await client.call<Revocation>('POST', path)
    return { id, status, error: null }
  } catch (error) {
    if (!(error instanceof CurfewApiError) || !isAboutOne(error)) throw error
    return { id, status: null, error: { code: error.code, message: error.message } }
  }
}

/** Whether an error says nothing about the other revocations. */
function isAboutOne({ code }: CurfewApiError): boolean {
  return ['CURFEW_UNKNOWN_REVOCATION', 'CURFEW_NOT_RETRYABLE', 'CURFEW_REVOCATION_HELD'].includes(code)
}

function show(json: boolean | undefined, results: readonly Result[]) {
  const retried = results.filter(({ error }) => error === null).length
  if (json) return printJson({ count: retried, items: results })
  for (const { id, status, error } of results)
    print(
      `${printable(id)}  ${error ? `${printable(error.code)}: ${printable(error.message)}` : printable(String(status))}`,
    )
  print(`${count(retried, 'revocation')} retried.`)
}
