import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { FORMATS, split } from '../base/config-formats.ts'
import { UsageError } from '../base/errors.ts'
import { signWebhook } from '../base/standard-webhooks.ts'
import { CommandError } from '../cli/command-error.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { print, printJson } from '../cli/terminal.ts'

/** The command `sign`. @throws UsageError, CommandError */
export async function signCommand({ id, json }: { id?: string; json?: boolean }): Promise<void> {
  const { WEBHOOK_SECRET, WEBHOOK_SECRETS = '' } = process.env
  const secret = WEBHOOK_SECRET || split(WEBHOOK_SECRETS)[0]
  if (!secret) throw new CommandError('Set WEBHOOK_SECRET to the secret that Curfew knows.', EXIT.config)
  if (!FORMATS.webhookSecret.isValid(secret))
    throw new CommandError(`WEBHOOK_SECRET: ${FORMATS.webhookSecret.expected}`, EXIT.config)
  if (process.stdin.isTTY) throw new UsageError('Pipe the body to standard input: curfew sign < BODY_FILE')
  const body = await text(process.stdin)
  const headers = signWebhook({ secret, id: id ?? `msg_${randomUUID()}`, body, now: Date.now() })
  if (json) return printJson(headers)
  for (const [name, value] of Object.entries(headers)) print(`${name}: ${value}`)
}
