import { curfewEnvironment, envLines } from './curfew-environment.ts'
import type { IdentityProvider } from './identity-provider/identity-provider.ts'
import type { Sandbox } from './sandbox.ts'
import type { SandboxClient, SandboxUser } from './tenant.ts'

/**
 * The text that `npm run sandbox` prints at the start: how to point Curfew at the tenant and at the identity provider, and
 * how to try both.
 */
export function welcome(
  { url, tenant }: Sandbox,
  client: SandboxClient,
  people: SandboxUser[],
  provider: IdentityProvider | null,
): string {
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

${table}${examples(url, client, people[0])}${provider ? `\n${sourceHelp(url, provider, people[0])}` : ''}`
}

function sourceHelp(url: string, { issuer, sources }: IdentityProvider, person?: SandboxUser): string {
  const rows = sources.map((entry) => `    ${JSON.stringify(entry)}`)
  const user = person?.email ?? '<e-mail address>'
  const at = url.endsWith(':4848') ? '' : ` --sandbox ${url}`
  return `Identity provider at ${issuer.url}

To let it send signals to Curfew, paste its sources into the file that CONFIG_FILE names (also at ${url}/sandbox/sources):

  "sources": [
${rows.join(',\n')}
  ]

Send a signal, valid or forged, and see what Curfew answers; then sign with a new key:

  npm run sandbox -- send oidc-back-channel-logout --user ${user}${at}
  npm run sandbox -- send clerk --forgery another-secret${at}
  npm run sandbox -- rotate${at}
`
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
