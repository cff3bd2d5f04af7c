import { userNamed } from '../base/user-name.ts'
import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { count, print, printable, printJson, table } from '../cli/terminal.ts'
import { kindOf } from '../cli/user.ts'
import { grantedAt } from '../revocation/scope.ts'

interface Token {
  id: string
  deviceType: string | null
  description: string | null
  clientId: string | null
  lastUsed: string | null
}

interface DryRun {
  user: { resolved?: string[] }
  finding: string
  tokens: Token[]
  kept: Token[]
  truncated: boolean
}

interface Options {
  email?: boolean
  subject?: boolean
  tenant?: string
  json?: boolean
  profile?: string
}

const FINDINGS: Record<string, string> = {
  'none-visible':
    'No token is listed, but the OAuth client may not see the tokens of other users: run curfew status.',
  'no-such-user': 'No user has this id. Ids are case-sensitive.',
  'no-matching-user': 'No user has this name.',
  ambiguous: 'Several users have this name: use the Qlik user id.',
  'own-user': 'This is the user of Curfew’s own access token.',
}

/** The command `tokens`. Sets the exit code 1 if the user is unknown or ambiguous. */
export async function tokensCommand(name: string, options: Options): Promise<void> {
  const { tenant, json, profile } = options
  const client = connect(profile)
  // A dry run of all tokens lists them, and does nothing.
  const answer = await client.call<DryRun>('POST', '/logout-hook', {
    query: { dryRun: true },
    body: { ...userNamed(name, kindOf(options)), scope: 'all', tenant },
    idempotencyKey: 'dry-run',
  })
  const { finding, truncated } = answer
  const now = Date.now()
  const tokens = [...answer.tokens, ...answer.kept].map(
    ({ id, deviceType, description, clientId, lastUsed }) => {
      const granted = grantedAt(id, now)
      return {
        id,
        deviceType,
        description,
        clientId,
        lastUsed,
        grantedAt: granted === null ? null : new Date(granted).toISOString(),
      }
    },
  )
  if (finding !== 'exists' && finding !== 'none-visible') process.exitCode = EXIT.no
  if (json) return printJson({ user: answer.user, finding, truncated, tokens })
  if (FINDINGS[finding]) print(FINDINGS[finding])
  if (tokens.length > 0) {
    const rows = tokens.map((token) => [
      printable(token.deviceType ?? '–'),
      printable(token.lastUsed ?? 'never'),
      token.grantedAt ?? 'unknown',
      printable(token.id),
    ])
    for (const line of table([['DEVICE', 'LAST USED', 'GRANTED', 'TOKEN'], ...rows])) print(line)
  }
  print(`${count(tokens.length, 'token')}${truncated ? ' or more' : ''}.`)
}
