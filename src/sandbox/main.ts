import { UsageError } from '../base/errors.ts'
import { readArguments, type SandboxArguments } from './arguments.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'
import { seedPeople } from './seed.ts'
import { USAGE } from './usage.ts'
import { welcome } from './welcome.ts'

/** sysexits.h: EX_USAGE, EX_UNAVAILABLE. */
const EXIT_USAGE = 64
const EXIT_UNAVAILABLE = 69

try {
  const args = readArguments(process.argv.slice(2))
  if (args.help) process.stdout.write(USAGE)
  else await run(args)
} catch (error) {
  const usage = error instanceof UsageError
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`curfew sandbox: ${message}\n${usage ? `\n${USAGE}` : ''}`)
  process.exitCode = usage ? EXIT_USAGE : EXIT_UNAVAILABLE
  if (process.connected) process.disconnect()
}

async function run(args: SandboxArguments): Promise<void> {
  const sandbox = await startSandbox(args.sandbox)
  closeInTime(sandbox)
  const client = sandbox.tenant.addClient({
    id: args.clientId,
    secrets: args.clientSecrets,
    publicKeys: args.clientPublicKeys,
  })
  const people = args.seed ? seedPeople(sandbox.tenant) : []
  process.stdout.write(welcome(sandbox, client, people))
  process.send?.({ url: sandbox.url })
}

/** Exits on a signal, and with the parent process if there is an IPC channel to it. */
function closeInTime(sandbox: Sandbox): void {
  const close = async () => {
    await sandbox.close()
    if (process.connected) process.disconnect()
  }
  process.once('SIGTERM', close).once('SIGINT', close)
  if (process.connected) process.once('disconnect', close)
}
