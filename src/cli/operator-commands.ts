import { type Command, Option } from 'commander'
import { addDecisions } from './decision-commands.ts'
import { addVerifyAudit } from './local-commands.ts'
import { addNotifications } from './notification-commands.ts'
import { env, examples, loadEnvironment, onService, wholeNumber } from './options.ts'

const TENANT = ['--tenant <name>', 'name of the tenant; the default tenant if omitted'] as const

/** Commands that call a running service. Each loads its code on demand. */
export function addOperatorCommands(program: Command): void {
  program.commandsGroup('Against a running service:')
  addDoctor(program)
  addWhy(program)
  addStatus(program)
  addRejections(program)
  addRevoke(program)
  addBatch(program)
  addDecisions(program)
  addNotifications(program)
  addAudit(program)
  addBackup(program)
  addTry(program)
}

function names(command: Command): Command {
  return command
    .option('--email', 'the names are e-mail addresses')
    .option('--subject', 'the names are subjects of the identity provider')
}

const NAMES =
  'A name with @ is an e-mail address, any other a Qlik user id; --email and --subject say otherwise.'

function addWhy(program: Command): void {
  examples(
    names(onService(program.command('why')))
      .description(
        "explain a user's revocations: who requested them, what was revoked and kept, and what is proven or missing",
      )
      .argument('<user>', 'Qlik user id, e-mail address or subject')
      .option('--tenant <name>', 'only revocations of this tenant')
      .addOption(
        new Option('--limit <n>', 'maximum number of revocations, newest first')
          .argParser(wholeNumber(1, 100))
          .default(3),
      )
      .action(async (user, options) => (await import('../commands/why.ts')).whyCommand(user, options)),
    ['curfew why ann@example.com', 'curfew why --json 66a9eafe2f4c4b5b8a1d2c3e'],
    `${NAMES} Revocations that
name the user otherwise are included: the Qlik user id connects them. If no revocation contains it yet, Curfew asks Qlik.
The key needs the role read, and signal to ask Qlik.

Exit codes: 0 if the newest revocation is completed, else 1, also if there is none.`,
  )
}

function addStatus(program: Command): void {
  examples(
    onService(program.command('status'))
      .description('show readiness, backlog, rate limits, failures by code, and sources')
      .option('-w, --watch', 'refresh every 2 s')
      .action(async (options) => (await import('../commands/status.ts')).statusCommand(options)),
    ['curfew status', 'curfew status --watch', 'curfew status --json | jq .failures'],
    'Exit codes: 0 if the service is ready, 1 if it is not. Failures need a key with the role read, sources one with operate.',
  )
  examples(
    names(onService(program.command('tokens')))
      .description("list a user's live tokens: device, last use, time of the grant")
      .argument('<user>', 'Qlik user id, e-mail address or subject')
      .option(...TENANT)
      .action(async (user, options) => (await import('../commands/tokens.ts')).tokensCommand(user, options)),
    ['curfew tokens ann@example.com'],
    `${NAMES} The key needs the role signal. The list costs a few calls of Qlik's tier 1.`,
  )
}

function addRejections(program: Command): void {
  examples(
    onService(program.command('rejections'))
      .description('list the senders that are rejected, how often and why, and say what to do')
      .action(async (options) => (await import('../commands/rejections.ts')).rejectionsCommand(options)),
    ['curfew rejections', 'curfew rejections --json | jq .reasons'],
    'Counts since the start of the replica that answers. The key needs the role operate.',
  )
}

function addDoctor(program: Command): void {
  examples(
    onService(program.command('doctor'))
      .description('check the configuration, the store, each tenant and each source, and say what to do')
      .addOption(env())
      .option('--probe', 'instead, measure how the tenant behaves where Qlik does not document it')
      .option('--tenant <name>', 'with --probe: name of the tenant; the default tenant if omitted')
      .option('-y, --yes', 'with --probe: do not ask')
      .action(async ({ env, ...options }) => {
        loadEnvironment(env)
        await (await import('../commands/doctor/doctor.ts')).doctorCommand(options)
      }),
    ['curfew doctor --env .env', 'curfew doctor --json | jq .findings', 'curfew doctor --probe --env .env'],
    `Needs the configuration of the service, changes nothing, and costs a few calls of each OAuth client. If the service runs,
its checks and the last signal of each source are included; a key with the role operate shows the sources.

--probe requests a throw-away access token for the bot user of the tenant's first OAuth client, deletes it, and reports the
form of ids, when a new token is listed, when a deleted one fails and leaves the listing, the answer to a second delete,
visible roles, links, and headers about rate limits: each with what Curfew assumes, and what to set if they differ. It only
deletes a token of this user that was not listed before. It makes up to 150 tier 1 calls and 8 tier 2 calls in 2 minutes, and
ends at a 429; a running Curfew with the same client shares the rate limit. The access token that it works with expires by
itself.

Exit codes: 0 without problems, also with warnings; 1 if a check failed, or the probe ended early; 78 if the configuration is
invalid; 130 after Ctrl-C.`,
  )
}

function addRevoke(program: Command): void {
  examples(
    names(onService(program.command('revoke')))
      .description('revoke the tokens of users')
      .argument('[user...]', 'Qlik user ids, e-mail addresses or subjects')
      .option('--file <csv>', 'read users from a CSV file; - for standard input')
      .addOption(
        new Option('--reason <reason>', 'security revokes all tokens, the others those granted up to now')
          .choices(['security', 'logout', 'session-expired'])
          .default('security'),
      )
      .addOption(
        new Option(
          '--scope <scope>',
          'tokens to revoke; default: all for security, else issued-before',
        ).choices(['all', 'issued-before']),
      )
      .option(...TENANT)
      .option('--dry-run', 'report what would be revoked, and revoke nothing')
      .option('--wait', 'wait until all revocations have ended and are verified')
      .option('--skip-invalid', 'skip broken lines of the file')
      .option(
        '--direct',
        'revoke without a running service, with its configuration; wait until all are verified',
      )
      .addOption(env())
      .option('-y, --yes', 'with --direct: do not ask')
      .action(async (users, { env, ...options }) => {
        loadEnvironment(env)
        await (await import('../commands/revoke/revoke.ts')).revokeCommand(users, options)
      }),
    [
      'curfew revoke ann@example.com --wait',
      'curfew revoke --file users.csv --dry-run',
      'curfew revoke --file users.csv --wait',
      'grep … | curfew revoke --file - --reason logout',
      'curfew revoke ann@example.com --direct --env .env',
    ],
    `A CSV file has a heading with userId, subject or email, or a single column without one. If a line has several names, the
first in this order counts. ${NAMES} If a line is broken, nothing is done.

All users are one batch, whose id is printed: see curfew batch. A file has up to 99,000 users.

Users already accepted are kept in users.csv.progress (standard input: curfew-revoke-….progress in the current folder). After
Ctrl-C or an outage, run the same command again: it continues, and nobody is revoked twice.

--direct needs no service and no API key, only the configuration of the tenant (QLIK_…, or CONFIG_FILE). It keeps the order and
the rate limits of a service, and stores nothing, so nothing is in an audit trail. A running service with the same OAuth client
shares the rate limit, but does not see these calls. It ends when all are verified or have failed, or after 5 minutes without
progress. After Ctrl-C, run the same command again: users without tokens cost a few calls. It asks first if there are more users
than MASS_REVOCATION_USERS.

The key needs the role operate, and read for --wait. Exit codes: 0 if all are accepted, or with --wait verified or
completed; 1 if one was rejected, failed or is held, or with --direct if one is not verified; 65 for a broken file; 77 if the
key or the OAuth client is refused; 130 after Ctrl-C.`,
  )
}

function addBatch(program: Command): void {
  examples(
    onService(program.command('batch'))
      .description(
        'show the users of a batch: how many are done, what failed, and when the rest will be done',
      )
      .argument('<id>', 'id of the batch, which revoke prints')
      .option(...TENANT)
      .option('-w, --watch', 'refresh every 2 s until only operators can change it')
      .action(async (id, options) => (await import('../commands/batch.ts')).batchCommand(id, options)),
    ['curfew batch incident-7 --watch', 'curfew batch incident-7 --json | jq .failures'],
    `The key needs the role read.

Exit codes: 0, or 1 if a revocation failed, is cancelled or is held.`,
  )
}

function addAudit(program: Command): void {
  const audit = names(onService(program.command('audit')).enablePositionalOptions())
    .description('list entries of the audit trail, newest first; with --json, one per line')
    .option('--user <name>', 'only entries that name this user')
    .option('--sender <name>', 'only entries of this API key, webhook secret or source')
    .option('--event <event>', 'only entries of this event')
    .option('--revocation <id>', 'only entries of this revocation')
    .option('--tenant <name>', 'only entries of this tenant')
    .option('--since <time>', 'only entries from this time on, ISO 8601')
    .option('--until <time>', 'only entries before this time, ISO 8601')
    .addOption(
      new Option('--limit <n>', 'maximum number of entries')
        .argParser(wholeNumber(1, 1_000_000))
        .default(100),
    )
    .action(async (options) => (await import('../commands/audit.ts')).auditCommand(options))
  examples(
    audit,
    [
      'curfew audit --user ann@example.com',
      'curfew audit --event signal-accepted --since 2026-11-27T00:00:00Z',
    ],
    `${NAMES} The key needs the role read.`,
  )
  addVerifyAudit(audit, 'verify')
  examples(
    onService(audit.command('export'))
      .description('export the whole audit trail as JSON Lines, which audit verify verifies')
      .argument('<file>', 'a new file with mode 0600, or - for standard output')
      .action(async (file, options) => (await import('../commands/audit.ts')).exportCommand(file, options)),
    ['curfew audit export audit.jsonl', 'curfew audit export - | gzip > audit.jsonl.gz'],
    'The key needs the role read, and must not be restricted to tenants.',
  )
}

function addBackup(program: Command): void {
  examples(
    onService(program.command('backup'))
      .description('back up the SQLite database while the service runs')
      .argument('[file]', 'copy the backup to this new file, if the service runs on this machine')
      .action(async (file, options) => (await import('../commands/backup.ts')).backupCommand(file, options)),
    ['curfew backup /backups/curfew.db'],
    'The key needs the role admin, and must not be restricted to tenants. On PostgreSQL, use pg_dump.',
  )
}

function addTry(program: Command): void {
  examples(
    onService(program.command('try'))
      .description(
        "send a source of CONFIG_FILE its vendor's documented request, signed with the configured secret",
      )
      .argument('<source>', 'name of the source')
      .option('--forged', 'send forgeries, which must be rejected')
      .option('--user <name>', 'the user that the request names; by default nobody')
      .addOption(env())
      .action(async (source, { env, ...options }) => {
        loadEnvironment(env)
        await (await import('../commands/try-source.ts')).tryCommand(source, options)
      }),
    ['curfew try clerk --env .env', 'curfew try login --forged --env .env'],
    `Needs the configuration of the service. A valid token of an issuer is sent only if the entry's jwksUri, or without one its
issuer, is an address on loopback: the command serves keys of its own there. Other tokens can only be forged.
An answer that no user has this name counts as accepted.
Exit codes: 0 if a valid request is accepted and all forgeries are rejected, else 1.`,
  )
}
