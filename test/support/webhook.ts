import { createHmac } from 'node:crypto'
import { WEBHOOK_SECRET } from './service.ts'

interface Signing {
  id?: string
  /** ms since the epoch */
  at?: number
  secret?: string
  names?: 'webhook' | 'svix'
}

let serial = 0

/** The signature of Standard Webhooks, computed independently of the service's code, so that its mistakes are found. */
export function signature(
  body: string | Buffer,
  id: string,
  seconds: number,
  secret = WEBHOOK_SECRET,
): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest('base64')}`
}

/** The headers of a signed request without an API key. */
export function signed(body: string | Buffer, signing: Signing = {}): Record<string, string> {
  serial += 1
  const { id = `msg_${process.pid}_${serial}`, at = Date.now(), secret, names = 'webhook' } = signing
  const seconds = Math.floor(at / 1000)
  return {
    authorization: '',
    [`${names}-id`]: id,
    [`${names}-timestamp`]: String(seconds),
    [`${names}-signature`]: signature(body, id, seconds, secret),
  }
}
