import { UsageError } from '../base/errors.ts'
import { readArguments, type SandboxArguments } from './arguments.ts'
import { type IdentityProvider, openIdentityProvider } from './identity-provider/identity-provider.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'
import { seedPeople } from './seed.ts'
import { isSignalCommand, runSignalCommand, SIGNAL_USAGE } from './signal-command.ts'
import { USAGE } from './usage.ts'
import { welcome } from './welcome.ts'

/** sysexits.h: EX_USAGE, EX_UNAVAILABLE. */
const EXIT_USAGE = 64
const EXIT_UNAVAILABLE = 69

/** In the texts, how a checkout calls the sandbox. */
const NPM = 'npm run sandbox --'

/**
 * Runs the sandbox tenant until a signal stops it, or sends a signal to Curfew. Sets the exit code.
 * @param program how it was called, for messages
 */
export async function sandboxCommand(given: string[], program: string): Promise<void> {
  const write = (text: string) => {
    process.stdout.write(text.replaceAll(NPM, program))
  }
  try {
    if (isSignalCommand(given[0])) process.exitCode = await runSignalCommand(given, write)
    else await start(readArguments(given), write)
  } catch (error) {
    const usage = error instanceof UsageError
    const message = error instanceof Error ? error.message : String(error)
    const help = (isSignalCommand(given[0]) ? SIGNAL_USAGE : USAGE).replaceAll(NPM, program)
    process.stderr.write(`curfew sandbox: ${message}\n${usage ? `\n${help}` : ''}`)
    process.exitCode = usage ? EXIT_USAGE : EXIT_UNAVAILABLE
    if (process.connected) process.disconnect()
  }
}

async function start(args: SandboxArguments, write: (text: string) => void): Promise<void> {
  if (args.help) return write(USAGE)
  const provider = args.provider && (await openIdentityProvider(args.provider))
  const sandbox = await startSandbox(args.sandbox, provider).catch((error) => {
    provider?.close()
    throw error
  })
  closeInTime(sandbox, provider)
  const client = sandbox.tenant.addClient({
    id: args.clientId,
    secrets: args.clientSecrets,
    publicKeys: args.clientPublicKeys,
  })
  const people = args.seed ? seedPeople(sandbox.tenant) : []
  write(welcome(sandbox, client, people, provider))
  process.send?.({ url: sandbox.url })
}

/** Exits on a signal, and with the parent process if there is an IPC channel to it. */
function closeInTime(sandbox: Sandbox, provider: IdentityProvider | null): void {
  const close = async () => {
    provider?.close()
    await sandbox.close()
    if (process.connected) process.disconnect()
  }
  process.once('SIGTERM', close).once('SIGINT', close)
  if (process.connected) process.once('disconnect', close)
}
