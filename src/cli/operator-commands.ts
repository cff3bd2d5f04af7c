import type { Command } from 'commander'
import { addVerifyAudit } from './local-commands.ts'

/** Commands that call a running service. */
export function addOperatorCommands(program: Command): void {
  program.commandsGroup('Against a running service:')
  const audit = program.command('audit').description('work with the audit trail')
  addVerifyAudit(audit, 'verify')
}
