import { textOfUser } from '../../base/user-name.ts'
import { EXIT } from '../../cli/exit-codes.ts'
import { count, print, printable, printJson } from '../../cli/terminal.ts'
import type { Revocation, User } from '../../client/client.ts'

/** What happened to one user. */
export interface Result {
  user: User
  /** Null if it was rejected, or there is no service that could be asked about it. */
  id: string | null
  revocation: Revocation | null
  error: { code: string; detail: string } | null
}

/** Prints the results. Sets the exit code 1 if one was rejected, failed or is held. */
export function show(
  results: readonly Result[],
  { json, wait, batch }: { json?: boolean; wait?: boolean; batch?: string },
) {
  const isBad = ({ revocation, error }: Result) =>
    error !== null || (revocation !== null && ['failed', 'cancelled', 'held'].includes(revocation.status))
  const bad = results.filter(isBad)
  if (bad.length > 0) process.exitCode = EXIT.no
  if (json)
    return printJson({
      ...(batch && { batch }),
      accepted: results.length - results.filter(({ error }) => error !== null).length,
      problems: bad.length,
      items: results.map(({ user, id, revocation, error }) => ({
        user,
        revocationId: id,
        status: revocation?.status ?? null,
        outcome: revocation?.outcome ?? null,
        verified: revocation?.verified ?? null,
        error: error ?? revocation?.error ?? null,
      })),
    })
  for (const result of results) print(`${printable(textOfUser(result.user))}  ${describe(result)}`)
  const verb = wait ? 'ended' : 'accepted'
  print(`${count(results.length - bad.length, 'revocation')} ${verb}, ${count(bad.length, 'problem')}.`)
  if (bad.some(({ revocation }) => revocation?.status === 'held'))
    print('The brake on mass revocation holds some of them. To continue: curfew release --all')
  if (batch) print(`Batch: ${batch}`)
}

export function describe({ id, revocation, error }: Result): string {
  const end = id === null ? '' : `  ${printable(id)}`
  if (error) return `rejected  ${printable(error.code)}: ${printable(error.detail)}`
  if (!revocation) return `accepted${end}`
  const { status, outcome, verified, error: failure, tokens } = revocation
  if (failure && status !== 'completed')
    return `${printable(status)}  ${printable(failure.code)}: ${printable(failure.action)}${end}`
  const proof = status === 'completed' ? (verified ? ', verified' : ', not verified') : ''
  const revoked = status === 'completed' ? ` (${count(tokens.revoked, 'token')} revoked)` : ''
  const state = [status, outcome].filter((part) => part !== null).map(printable)
  return `${state.join(', ')}${proof}${revoked}${end}`
}
