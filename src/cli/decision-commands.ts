import { type Command, Option } from 'commander'
import { examples, onService } from './options.ts'

const YES = ['-y, --yes', 'do not ask'] as const
const DRY_RUN = ['--dry-run', 'with filters: count what matches, and change nothing'] as const

/** Commands with which an operator decides what happens to revocations. */
export function addDecisions(program: Command): void {
  addRetry(program)
  for (const name of ['cancel', 'release'] as const) addDecision(program, name)
}

/** Those of `GET /revocations`. */
function filters(command: Command): Command {
  return command
    .option('--tenant <name>', 'filter: of this tenant')
    .option('--user-id <id>', 'filter: of this Qlik user')
    .option('--email <address>', 'filter: of the user with this e-mail address')
    .option('--subject <subject>', 'filter: of this subject of the identity provider')
    .option('--source <name>', 'filter: from this source')
    .option('--key <name>', 'filter: requested first with this API key or webhook secret')
    .addOption(
      new Option('--reason <reason>', 'filter: for this reason').choices([
        'security',
        'logout',
        'session-expired',
      ]),
    )
    .option('--status <status>', 'filter: in this state')
    .option('--outcome <outcome>', 'filter: with this outcome')
    .option('--code <code>', 'filter: whose last error has this code')
    .option('--batch <id>', 'filter: of this batch, which revoke has printed')
    .option('--since <time>', 'filter: accepted from this time on, ISO 8601')
    .option('--until <time>', 'filter: accepted before this time, ISO 8601')
}

const ALL_FILTERS = 'All filters must apply. The matching revocations are counted first.'

function addRetry(program: Command): void {
  examples(
    filters(
      onService(program.command('retry'))
        .description('try revocations again now, after the cause of their error is fixed')
        .argument('[id...]', 'ids of revocations')
        .option('--failed', 'filter: all that failed, as with --status failed'),
    )
      .option(...DRY_RUN)
      .option(...YES)
      .action(async (ids, options) => (await import('../commands/retry.ts')).retryCommand(ids, options)),
    [
      'curfew retry --failed --dry-run',
      'curfew retry --failed --code CURFEW_QLIK_FORBIDDEN --yes',
      'curfew retry --source okta --since 2026-11-27T12:00:00Z',
    ],
    `Filters select failed and unverified revocations, and those that wait for their next attempt after a failed one. ${ALL_FILTERS}
The key needs the role operate. Exit code 1 if one cannot be retried.`,
  )
}

const DECISIONS = {
  cancel: {
    description:
      'cancel revocations: queued, running and held ones by id or filter; with --sender or --all, only held ones',
    ids: 'ids of revocations',
    examples: ['curfew cancel ID --force', 'curfew cancel --source okta --since 2026-11-27T12:00:00Z'],
    selected: 'queued, running and held revocations',
  },
  release: {
    description: 'queue revocations that the brake on mass revocation holds',
    ids: 'ids of held revocations',
    examples: ['curfew release ID', 'curfew release --reason security --dry-run'],
    selected: 'held revocations',
  },
} as const

function addDecision(program: Command, name: keyof typeof DECISIONS): void {
  const { description, ids, selected, examples: some } = DECISIONS[name]
  const command = filters(
    onService(program.command(name))
      .description(description)
      .argument('[id...]', ids)
      .option(
        '--sender <sender>',
        'all that are held from this sender: api-key:NAME, webhook:NAME or source:NAME; without a name of its own, NAME#ID as in hold.sender',
      )
      .option('--all', 'everything that is held'),
  )
    .option(...DRY_RUN)
    .option(...YES)
  if (name === 'cancel')
    command.option('--force', 'with ids or filters: also if several senders requested them')
  command.action(async (ids, options) => {
    const { cancelCommand, releaseCommand } = await import('../commands/held.ts')
    await (name === 'cancel' ? cancelCommand : releaseCommand)(ids, options)
  })
  examples(
    command,
    [...some, `curfew ${name} --sender source:okta`, `curfew ${name} --all --yes`],
    `Filters select ${selected}. ${ALL_FILTERS} The key needs the role operate.
Exit code 1 if one that matches cannot be ${name === 'cancel' ? 'cancelled' : 'released'}.`,
  )
}
