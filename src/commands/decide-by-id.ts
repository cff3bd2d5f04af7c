import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { print, printable, printJson } from '../cli/terminal.ts'
import { CurfewApiError, type CurfewClient, type Revocation } from '../client/client.ts'
import { type DecisionOptions, summaryOf, WORDS } from './matching.ts'

interface Item {
  id: string
  /** The new state; null if nothing has changed. */
  status: string | null
  error: { code: string; message: string; action: string | null } | null
}

/** Errors that concern one revocation: the others are still tried. */
const ERRORS_OF_ONE = [
  'CURFEW_UNKNOWN_REVOCATION',
  'CURFEW_NOT_RETRYABLE',
  'CURFEW_REVOCATION_HELD',
  'CURFEW_NOT_CANCELLABLE',
  'CURFEW_SEVERAL_SENDERS',
]

/**
 * Retries or cancels revocations by id, and prints the result of each. Sets the exit code 1 if one cannot be changed.
 * @throws CurfewApiError if the service is unavailable or rejects the key
 */
export async function decideById(
  action: 'retry' | 'cancel',
  ids: readonly string[],
  { force, json, profile }: DecisionOptions,
): Promise<void> {
  const client = connect(profile)
  const { done } = WORDS[action]
  const items: Item[] = []
  try {
    for (const id of ids) items.push(await decideOne(client, action, id, force))
  } finally {
    if (items.some(({ error }) => error !== null)) process.exitCode = EXIT.no
    // At the end: if the reader of the output has gone, the command ends.
    if (!json) for (const item of items) print(textOf(item))
  }
  const changed = items.filter(({ error }) => error === null).length
  if (json) printJson({ [done]: changed, items })
  else print(summaryOf({ changed, joined: 0 }, done))
}

async function decideOne(
  client: CurfewClient,
  action: 'retry' | 'cancel',
  id: string,
  force: boolean | undefined,
): Promise<Item> {
  const path = `/revocations/${encodeURIComponent(id)}`
  try {
    const { status } =
      action === 'retry'
        ? await client.call<Revocation>('POST', `${path}/retry`)
        : await client.call<Revocation>('DELETE', path, { query: { force } })
    return { id, status, error: null }
  } catch (error) {
    if (!(error instanceof CurfewApiError) || !ERRORS_OF_ONE.includes(error.code)) throw error
    const { code, message, action } = error
    return { id, status: null, error: { code, message, action } }
  }
}

function textOf({ id, status, error }: Item): string {
  const text = error ? `${error.code}: ${error.message} ${error.action ?? ''}`.trimEnd() : status
  return printable(`${id}  ${text}`)
}
