import { createHmac } from 'node:crypto'

/**
 * The headers of a signed webhook (Standard Webhooks 1.0.0).
 * @param secret `whsec_` followed by the key in base64
 * @param now ms since the epoch
 */
export function signWebhook({
  secret,
  id,
  body,
  now,
}: {
  secret: string
  id: string
  body: string
  now: number
}) {
  const timestamp = String(Math.floor(now / 1000))
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}
