import type { Command } from 'commander'
import { env, examples, json, loadEnvironment } from './options.ts'

/** Commands that run on this machine. Each loads its code on demand. */
export function addLocalCommands(program: Command): void {
  program.commandsGroup('On this machine:')
  addService(program)
  addSecrets(program)
  program.commandsGroup('To try Curfew:')
  for (const [name, description] of [
    ['sandbox', 'start a sandbox tenant and identity provider, or send their signals'],
    ['demo', 'log users out of a sandbox tenant, and prove that their tokens are gone'],
  ] as const)
    program.command(name).description(description).usage('[options]').helpOption(false)
  program
    .command('completion')
    .description('print a completion script')
    .argument('<shell>', 'bash, zsh, fish or powershell')
}

function addService(program: Command): void {
  examples(
    program
      .command('serve')
      .description('run the service; configured by environment variables')
      .addOption(env())
      .action(async ({ env }) => {
        loadEnvironment(env)
        await (await import('../commands/serve.ts')).serveCommand()
      }),
    ['curfew serve --env .env'],
  )
  examples(
    program
      .command('check-config')
      .description('report every mistake in the configuration, without starting the service')
      .argument('[file]', 'a CONFIG_FILE (JSON), or a file of environment variables such as .env')
      .addOption(env())
      .addOption(json())
      .action(async (file, { env, json }) => {
        loadEnvironment(env)
        await (await import('../commands/check-config.ts')).checkConfigCommand(file, { json })
      }),
    ['curfew check-config .env', 'curfew check-config --env .env config.json'],
    'Exit codes: 0 if the configuration is valid, also with warnings; 78 if it is not.',
  )
  examples(
    program
      .command('migrate-store')
      .description(
        'copy everything in a SQLite store to the PostgreSQL database of DATABASE_URL or DATABASE_URL_FILE: pending revocations first, then finished ones',
      )
      .requiredOption('--from <store>', 'sqlite:<file path>; the file is not changed')
      .addOption(env())
      .addOption(json())
      .action(async ({ from, env, json }) => {
        loadEnvironment(env)
        await (await import('../commands/migrate-store.ts')).migrateStoreCommand({ from, json })
      }),
    ['curfew migrate-store --from sqlite:/data/curfew.db'],
    `Stop the Curfew process that uses the file first. Replicas on PostgreSQL can keep running. If the command is
interrupted, run it again: it skips what is already copied. The target is not an argument, because its URL
contains a password, and every user on the machine can read the arguments of a process.

Exit codes:
   0  everything is copied
  64  invalid arguments
  75  the file is in use, or the database is unavailable: try again
  78  invalid configuration`,
  )
  // The earlier name of `audit verify`.
  addVerifyAudit(program, 'verify-audit', { hidden: true })
}

function addSecrets(program: Command): void {
  examples(
    program
      .command('sign')
      .description('sign the body in standard input, and print the headers (Standard Webhooks)')
      .option('--id <id>', 'webhook-id; random by default')
      .addOption(json())
      .action(async (options) => (await import('../commands/sign.ts')).signCommand(options)),
    ['curfew sign < body.json > headers', 'curl -H @headers --json @body.json "$CURFEW_URL/logout-hook"'],
    'The secret is WEBHOOK_SECRET, or the first of WEBHOOK_SECRETS. A signature is valid for 5 minutes.',
  )
  examples(
    program
      .command('keys')
      .description('create keys and secrets')
      .command('new')
      .description('create an API key: the key for its sender, and the digest for API_KEYS or CONFIG_FILE')
      .option('--webhook-secret', 'create a webhook secret instead, for both sides')
      .option(
        '--client-key <file>',
        'create a private key of the OAuth client instead: a new file with mode 0600. The public key is printed, for Qlik',
      )
      .addOption(json())
      .action(async (options) => (await import('../commands/new-key.ts')).newKeyCommand(options)),
    ['curfew keys new', 'curfew keys new --webhook-secret', 'curfew keys new --client-key client.pem'],
  )
  examples(
    program
      .command('hash-api-key')
      .description(
        'print sha256: and the digest of the API key in standard input, for API_KEYS or "key" in CONFIG_FILE',
      )
      .option('--generate', 'create a key: the first line is the key, for the sender, the second its digest')
      .addOption(json())
      .action(async (options) => (await import('../commands/hash-api-key.ts')).hashApiKeyCommand(options)),
    ['curfew hash-api-key < key-file'],
    `With the digest, the configuration cannot be used to call Curfew. The key is not an argument, because every
user on the machine can read the arguments of a process.`,
  )
}

export function addVerifyAudit(parent: Command, name: string, options: { hidden?: boolean } = {}): void {
  examples(
    parent
      .command(name, options)
      .description(
        'verify an export of the audit trail: detect entries that were changed, removed, inserted or moved',
      )
      .argument('<export>', 'a file, or - for standard input')
      .option('--heads <file>', 'compare the chains with the output of an earlier verification')
      .option(
        '--public-key <file>',
        'verify the daily signatures (AUDIT_SIGNING_KEY): at least one must be valid, and none invalid. Repeat it for each key that was in use, if the key was rotated',
        (path: string, paths: string[] = []) => [...paths, path],
      )
      .addOption(json())
      .action(async (file, options) =>
        (await import('../commands/verify-audit.ts')).verifyAuditCommand(file, options),
      ),
    ['curfew audit verify --heads heads.txt audit.jsonl > new-heads.txt'],
    `Prints what is wrong, and up to which entry each chain is intact. Personal data may have been erased. Keep the
output where nobody who can write to the database can change it: an intact export is no proof of entries
after the last head that is known elsewhere.

Exit codes:
   0  everything is intact
   1  something is wrong
  64  invalid arguments, or a file cannot be read`,
  )
}
