import { createHmac } from 'node:crypto'
import type { Vendor } from './vendors.ts'

/** A forged request: how it differs from a valid one. */
export interface WebhookForgery {
  name: string
  /** Signs it instead of the vendor's secret. */
  secret?: string
  /** When it is signed; ms since the epoch. */
  at?: number
  /** Replace headers of the valid request. */
  headers?: Record<string, string>
  /** Sent instead of the signed body. */
  instead?: string
}

/**
 * Forgeries of a vendor's request with this body.
 * @param secret the secret of the source
 * @param now ms since the epoch
 */
export async function webhookForgeries(
  vendor: Vendor,
  text: string,
  { secret, now }: { secret: string; now: number },
): Promise<WebhookForgery[]> {
  const { proofHeader, toleranceSeconds, otherSecret } = vendor
  const proof = (await vendor.sign(text, { secret, at: now }))[proofHeader] ?? ''
  const withProof = (name: string, value: string) => ({ name, headers: { [proofHeader]: value } })
  const mac = createHmac('sha256', secret).update(text).digest()
  const all: WebhookForgery[] = [
    { name: 'another secret', secret: otherSecret },
    withProof('no proof', ''),
    withProof('a truncated proof', proof.slice(0, -2)),
    withProof('a proof and more', `${proof}00`),
    withProof('the proof of another scheme', `sha1=${mac.toString('hex').slice(0, 40)}`),
    withProof('a proof in another encoding', mac.toString('base64')),
    withProof('an unsigned token', `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`),
  ]
  if (proofHeader !== 'authorization') {
    all.push({ name: 'an altered body', instead: altered(text) })
    all.push(withProof('the secret itself', secret))
  }
  if (toleranceSeconds !== null) {
    const outside = (toleranceSeconds + 5) * 1000
    all.push({ name: 'an expired timestamp', at: now - outside })
    all.push({ name: 'a future timestamp', at: now + outside })
  }
  return all
}

/** The JSON text with another last letter or digit. */
function altered(text: string): string {
  return text.replace(/[a-z0-9](?=[^a-z0-9]*$)/, (last) => (last === '0' ? '1' : '0'))
}
