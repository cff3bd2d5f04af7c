import { UsageError } from '../base/errors.ts'
import { confirm } from '../cli/confirm.ts'
import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { count, print, printable, printJson } from '../cli/terminal.ts'
import { CurfewApiError, type Revocation } from '../client/client.ts'

interface Options {
  failed?: boolean
  code?: string
  tenant?: string
  dryRun?: boolean
  yes?: boolean
  json?: boolean
  profile?: string
}

interface Result {
  id: string
  status: string | null
  error: { code: string; message: string } | null
}

/** The command `retry`: by id, or everything that failed. Sets the exit code 1 if one cannot be retried. */
export async function retryCommand(ids: string[], options: Options): Promise<void> {
  const { failed, code, tenant, dryRun, yes, json, profile } = options
  if (Boolean(failed) === ids.length > 0)
    throw new UsageError(
      'Name revocations, or all that failed with --failed: one of the two.\n\nUsage: curfew retry [options] [id...]',
    )
  if (!failed && (code !== undefined || tenant !== undefined))
    throw new UsageError('--code and --tenant select among --failed.')
  const client = connect(profile)
  const selected = [...ids]
  if (failed)
    for await (const revocation of client.revocations({ status: 'failed', tenant, code, limit: 1_000 }))
      selected.push(revocation.id)
  if (dryRun)
    return show(
      json,
      selected.map((id) => ({ id, status: null, error: null })),
      'would be retried',
    )
  if (failed && selected.length > 0)
    await confirm(`Retry ${count(selected.length, 'failed revocation')}?`, { yes })
  const results: Result[] = []
  for (const id of selected) {
    try {
      const path = `/revocations/${encodeURIComponent(id)}/retry`
      const { status } = await client.call<Revocation>('POST', path)
      results.push({ id, status, error: null })
    } catch (error) {
      if (!(error instanceof CurfewApiError) || !isAboutOne(error)) throw error
      results.push({ id, status: null, error: { code: error.code, message: error.message } })
    }
  }
  if (results.some(({ error }) => error !== null)) process.exitCode = EXIT.no
  show(json, results, 'retried')
}

/** Whether an error says nothing about the other revocations. */
function isAboutOne({ code }: CurfewApiError): boolean {
  return ['CURFEW_UNKNOWN_REVOCATION', 'CURFEW_NOT_RETRYABLE', 'CURFEW_REVOCATION_HELD'].includes(code)
}

function show(json: boolean | undefined, results: readonly Result[], verb: string) {
  const retried = results.filter(({ error }) => error === null).length
  if (json) return printJson({ count: retried, items: results })
  for (const { id, status, error } of results)
    print(
      `${printable(id)}  ${error ? `${printable(error.code)}: ${printable(error.message)}` : printable(status ?? verb)}`,
    )
  print(`${count(retried, 'revocation')} ${verb}.`)
}
