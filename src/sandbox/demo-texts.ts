export const HELP = `npm run demo [-- OPTIONS]

Starts a sandbox tenant and Curfew, logs users out, and proves that their tokens are gone.

  --keep   Leaves both running, with curl lines to try.
  --help   Prints this text.`

export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function heading(text: string): void {
  say(`\n${text}\n${'─'.repeat(text.length)}`)
}

let steps = 0

/** The heading of the next step. */
export function step(text: string): void {
  steps += 1
  heading(`${steps}. ${text}`)
}

export function json(value: unknown): string {
  return JSON.stringify(value, null, 2)
}

/** How many tokens each of the people has. */
export function tokenTable(when: string, people: { email: string; tokens: number }[]): string {
  const rows = people.map(
    ({ email, tokens }) => `  ${email.padEnd(20)} ${'●'.repeat(tokens).padEnd(6)} ${tokens}`,
  )
  return [`Tokens ${when}:`, ...rows].join('\n')
}

/** The same by curl, for a demo that is kept running. */
export function byHand(demo: {
  curfewUrl: string
  tenantUrl: string
  apiKey: string
  webhookSecret: string
  userId: string
}): string {
  const key = `-H 'Authorization: Bearer ${demo.apiKey}'`
  return `A logout, with an API key:

  curl -i ${demo.curfewUrl}/logout-hook ${key} \\
    -H 'Content-Type: application/json' -d '{"email":"cleo@example.com"}'

The same, signed (Standard Webhooks), and waiting for the end:

  body='{"email":"cleo@example.com"}'; id=msg_1; now=$(date +%s)
  key=$(printf %s '${demo.webhookSecret.slice('whsec_'.length)}' | base64 -d | od -An -tx1 | tr -d ' \\n')
  signature=$(printf %s "$id.$now.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64)
  curl -i ${demo.curfewUrl}/logout-hook -H "webhook-id: $id" -H "webhook-timestamp: $now" \\
    -H "webhook-signature: v1,$signature" -H 'Prefer: wait=10' -H 'Content-Type: application/json' -d "$body"

What would be revoked, and what was:

  curl -X POST '${demo.curfewUrl}/users/${demo.userId}/revoke-all?dryRun=true' ${key}
  curl '${demo.curfewUrl}/revocations' ${key}
  curl '${demo.tenantUrl}/sandbox/users/${demo.userId}/tokens'

The API and the state of the service: ${demo.curfewUrl}/docs, ${demo.curfewUrl}/health/ready, ${demo.curfewUrl}/metrics`
}
