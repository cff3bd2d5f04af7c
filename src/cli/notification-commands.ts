import { type Command, Option } from 'commander'
import { examples, onService, wholeNumber } from './options.ts'

/** Commands about the receivers of notifications. */
export function addNotifications(program: Command): void {
  const notifications = program
    .command('notifications')
    .description('list notifications and their receivers, send failed ones again, and test a receiver')
  addList(notifications)
  addRedeliver(notifications)
  examples(
    onService(notifications.command('receivers'))
      .description('show the state of each receiver, and what waits for it')
      .action(async (options) => (await import('../commands/notifications.ts')).receiversCommand(options)),
    ['curfew notifications receivers'],
    'States are those of the replica that answers. The key needs the role read, and must not be restricted to tenants.',
  )
  examples(
    onService(notifications.command('test'))
      .description('send a receiver a signed test message, and show the response')
      .argument('<receiver>', 'name of the receiver')
      .action(async (name, options) =>
        (await import('../commands/notifications.ts')).testCommand(name, options),
      ),
    ['curfew notifications test siem'],
    'The key needs the role operate, and must not be restricted to tenants. Exit code 1 if it is not delivered.',
  )
}

function addList(notifications: Command): void {
  examples(
    onService(notifications.command('list'))
      .description('list notifications, newest first; with --json, one per line')
      .option('--receiver <name>', 'only notifications of this receiver')
      .addOption(
        new Option('--status <status>', 'only notifications in this state').choices([
          'pending',
          'delivered',
          'failed',
        ]),
      )
      .option('--type <type>', 'only notifications of this type, such as revocation.failed')
      .option('--revocation <id>', 'only notifications about this revocation')
      .addOption(
        new Option('--limit <n>', 'maximum number of notifications')
          .argParser(wholeNumber(1, 1_000_000))
          .default(100),
      )
      .action(async (options) => (await import('../commands/notifications.ts')).listCommand(options)),
    [
      'curfew notifications list --status failed',
      'curfew notifications list --receiver siem --json | jq .code',
    ],
    'The key needs the role read.',
  )
}

function addRedeliver(notifications: Command): void {
  examples(
    onService(notifications.command('redeliver'))
      .description('send notifications again: by id, or all that failed of a receiver')
      .argument('[id...]', 'ids of notifications')
      .option('--receiver <name>', 'all that failed of this receiver')
      .option('--since <time>', 'with --receiver: only those that happened from this time on, ISO 8601')
      .option('--dry-run', 'with --receiver: count them, and change nothing')
      .option('-y, --yes', 'do not ask')
      .action(async (ids, options) =>
        (await import('../commands/notifications.ts')).redeliverCommand(ids, options),
      ),
    [
      'curfew notifications redeliver --receiver siem --since 2026-11-27T00:00:00Z',
      'curfew notifications redeliver 019b2f4e-7a10-7c3d-8e5f-0a1b2c3d4e5f',
    ],
    'The key needs the role operate; with --receiver, it must not be restricted to tenants.',
  )
}
