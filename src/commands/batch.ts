import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { count, paint, print, printable, printJson } from '../cli/terminal.ts'
import type { Batch } from '../client/client.ts'

const WATCH_MS = 2_000

interface Options {
  tenant?: string
  watch?: boolean
  json?: boolean
  profile?: string
}

/** The command `batch`. Sets the exit code 1 if a revocation failed, is cancelled or is held. */
export async function batchCommand(id: string, { tenant, watch, json, profile }: Options): Promise<void> {
  const client = connect(profile)
  for (;;) {
    const batch = await client.batch(id, { tenant })
    const { failed, cancelled, held } = batch.status
    process.exitCode = failed + cancelled + held > 0 ? EXIT.no : EXIT.ok
    const clear = watch && process.stdout.isTTY ? '\u001b[2J\u001b[H' : ''
    if (json) printJson(batch)
    else print(clear + lines(batch).join('\n'))
    if (!watch || !isUnderWay(batch)) return
    await pause(WATCH_MS)
  }
}

/** Whether something happens to it without an operator. */
export function isUnderWay({ status, confirming }: Batch): boolean {
  return status.queued + status.running + confirming > 0
}

/** How far a batch is, in one line. */
export function progressOf({ total, status, confirming, estimatedCompletionAt }: Batch): string {
  const ended = status.completed + status.failed + status.cancelled
  const parts = [
    `${ended} of ${total} ended`,
    status.failed > 0 ? `${status.failed} failed` : null,
    status.held > 0 ? `${status.held} held` : null,
    confirming > 0 ? `${confirming} to be confirmed` : null,
    estimatedCompletionAt ? `the last one at ${estimatedCompletionAt} at the earliest` : null,
  ]
  return parts.filter((part) => part !== null).join(', ')
}

function lines(batch: Batch): string[] {
  const { id, tenant, createdAt, total, status, outcomes, verified, tokens, failures } = batch
  const states = Object.entries(status).filter(([, count]) => count > 0)
  const found = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`)
  return [
    `Batch ${printable(id)}, tenant ${printable(tenant)}, since ${createdAt}: ${count(total, 'user')}`,
    `  ${progressOf(batch)}`,
    `  ${states.map(([state, count]) => `${count} ${state}`).join(', ')}`,
    ...(found.length > 0 ? [`  ${found.join(', ')}; ${verified} verified`] : []),
    `  ${count(tokens.revoked, 'token')} revoked, ${tokens.kept} kept, ${tokens.remaining} remaining, of the users counted so far`,
    ...failures.flatMap(({ code, count, action, ids }) => [
      `  ${paint('red', `${count} failed`)}  ${printable(code)}: ${printable(action)}`,
      ...ids.map((failed) => `    ${printable(failed)}`),
    ]),
  ]
}
