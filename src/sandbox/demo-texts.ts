export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function heading(text: string): void {
  say(`\n${text}\n${'─'.repeat(text.length)}`)
}

let steps = 0

export function step(text: string): void {
  steps += 1
  heading(`${steps}. ${text}`)
}

export function json(value: unknown): string {
  return JSON.stringify(value, null, 2)
}

/** The number of tokens of each user. */
export function tokenTable(when: string, people: { email: string; tokens: number }[]): string {
  const rows = people.map(
    ({ email, tokens }) => `  ${email.padEnd(20)} ${'●'.repeat(tokens).padEnd(6)} ${tokens}`,
  )
  return [`Tokens ${when}:`, ...rows].join('\n')
}

/** curl commands for a demo that is kept running. */
export function curlCommands(demo: {
  curfewUrl: string
  tenantUrl: string
  apiKey: string
  webhookSecret: string
  userId: string
}): string {
  const key = `-H 'Authorization: Bearer ${demo.apiKey}'`
  return `Log a user out, with an API key:

  curl -i ${demo.curfewUrl}/logout-hook ${key} \\
    -H 'Content-Type: application/json' -d '{"email":"cleo@example.com"}'

The same with a signature (Standard Webhooks), waiting for the result:

  body='{"email":"cleo@example.com"}'; id=msg_1; now=$(date +%s)
  key=$(printf %s '${demo.webhookSecret.slice('whsec_'.length)}' | base64 -d | od -An -tx1 | tr -d ' \\n')
  signature=$(printf %s "$id.$now.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64)
  curl -i ${demo.curfewUrl}/logout-hook -H "webhook-id: $id" -H "webhook-timestamp: $now" \\
    -H "webhook-signature: v1,$signature" -H 'Prefer: wait=10' -H 'Content-Type: application/json' -d "$body"

See what would be revoked, and what was revoked:

  curl -X POST '${demo.curfewUrl}/users/${demo.userId}/revoke-all?dryRun=true' ${key}
  curl '${demo.curfewUrl}/revocations' ${key}
  curl '${demo.tenantUrl}/sandbox/users/${demo.userId}/tokens'

API reference, health and metrics: ${demo.curfewUrl}/docs, ${demo.curfewUrl}/health/ready, ${demo.curfewUrl}/metrics`
}
