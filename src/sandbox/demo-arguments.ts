import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'

/** @param program how the demo is called */
export const demoHelp = (program: string) => `Usage: ${program} [options]

Starts a sandbox tenant and Curfew, logs users out, and proves that their tokens are gone.

  --keep                        keep both running; print curl commands and the lines for .env
  --port <n>                    port of Curfew (0: any free port)
  --sandbox-port <n>            port of the sandbox tenant (0: any free port)
  --client-secret <secret>      secret of the OAuth client (sandbox-secret)
  --api-key <key>               API key, at least 24 printable characters (random)
  --webhook-secret <secret>     whsec_ and 24 to 64 bytes in base64 (random)
  --help                        print this text
`

export type DemoArguments = ReturnType<typeof readDemoArguments>

/** Reads the command line of the demo. Throws a `TypeError` with a message for the user if it is invalid. */
export function readDemoArguments(args: string[]) {
  return parseArgs({
    args,
    options: {
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      port: { type: 'string', default: '0' },
      'sandbox-port': { type: 'string', default: '0' },
      'client-secret': { type: 'string', default: 'sandbox-secret' },
      'api-key': { type: 'string', default: randomBytes(24).toString('base64url') },
      'webhook-secret': { type: 'string', default: `whsec_${randomBytes(32).toString('base64')}` },
    },
  }).values
}
