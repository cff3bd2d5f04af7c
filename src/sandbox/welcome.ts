import { curfewEnvironment, envLines } from './curfew-environment.ts'
import type { Sandbox } from './sandbox.ts'
import type { SandboxClient, SandboxUser } from './tenant.ts'

/** The text that `npm run sandbox` prints at the start: how to point Curfew at the tenant, and how to try it with curl. */
export function welcome({ url, tenant }: Sandbox, client: SandboxClient, people: SandboxUser[]): string {
  const { id: clientId, secret: clientSecret } = client
  const environment = curfewEnvironment({ url, clientId, clientSecret, limits: tenant.settings })
  const rows = people.map(
    ({ id, email, subject }) => `  ${id}  ${email}  ${subject}  ${tenant.tokensOf(id).length} tokens`,
  )
  const table =
    rows.length > 0 ? `Users, by Qlik user id, e-mail address and subject:\n\n${rows.join('\n')}\n\n` : ''
  return `Sandbox tenant at ${url}

To point Curfew at it, paste these lines into .env and run "npm start":

${envLines(environment)}

${table}${examples(url, client, people[0])}`
}

function examples(url: string, client: SandboxClient, person?: SandboxUser): string {
  const userId = person?.id ?? '<user id>'
  const grant = {
    grant_type: 'client_credentials',
    client_id: client.id,
    client_secret: client.secret,
    scope: 'admin_classic',
  }
  return `Get an access token, then list a user's tokens and revoke one:

  curl ${url}/oauth/token -H 'Content-Type: application/json' \\
    -d '${JSON.stringify(grant)}'
  curl '${url}/api/v1/oauth-tokens?userId=${userId}' -H 'Authorization: Bearer <access token>'
  curl -X DELETE ${url}/api/v1/oauth-tokens/<token id> -H 'Authorization: Bearer <access token>'

Use a user's token before and after it is revoked (only the sandbox shows its secret):

  curl ${url}/sandbox/users/${userId}/tokens
  curl ${url}/api/v1/items -H 'Authorization: Bearer <accessToken of the user>'
`
}
