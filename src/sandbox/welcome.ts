import type { Sandbox } from './sandbox.ts'
import type { SandboxClient, SandboxUser } from './tenant.ts'

/** What a newcomer needs to know about a sandbox that has just started. */
export function welcome({ url, tenant }: Sandbox, client: SandboxClient, people: SandboxUser[]): string {
  const rows = people.map(
    ({ id, email, subject }) => `  ${id}  ${email}  ${subject}  ${tenant.tokensOf(id).length} tokens`,
  )
  return `Sandbox tenant at ${url}

  client id      ${client.id}
  client secret  ${client.secret}

${rows.length > 0 ? `${rows.join('\n')}\n\n` : ''}${examples(url, client, people[0])}`
}

function examples(url: string, client: SandboxClient, person?: SandboxUser): string {
  const userId = person?.id ?? '<user id>'
  const grant = {
    grant_type: 'client_credentials',
    client_id: client.id,
    client_secret: client.secret,
    scope: 'admin_classic',
  }
  return `Get an access token, then list somebody's tokens and revoke one:

  curl ${url}/oauth/token -H 'Content-Type: application/json' \\
    -d '${JSON.stringify(grant)}'
  curl '${url}/api/v1/oauth-tokens?userId=${userId}' -H 'Authorization: Bearer <access token>'
  curl -X DELETE ${url}/api/v1/oauth-tokens/<token id> -H 'Authorization: Bearer <access token>'

See what a person's tokens can do, before and after (the secrets are told only here, in the sandbox):

  curl ${url}/sandbox/users/${userId}/tokens
  curl ${url}/api/v1/items -H 'Authorization: Bearer <accessToken of the person>'
`
}
