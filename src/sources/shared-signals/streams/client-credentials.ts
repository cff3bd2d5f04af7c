import { z } from 'zod'
import { type AccessToken, AccessTokenText, boundedLifetime } from '../../../base/access-token.ts'
import type { TransmitterClient } from '../entry.ts'
import type { SendToTransmitter } from './transmitter-http.ts'
import { readAs, TransmitterFailure } from './transmitter-responses.ts'

/** RFC 6749, section 5.1. A token of another type must not be used (section 7.1). */
const TokenResponse = z.looseObject({
  access_token: AccessTokenText,
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.number().nullish().catch(null),
})

export interface ClientCredentials extends Pick<TransmitterClient, 'tokenUrl' | 'clientId' | 'scope'> {
  secret: string
}

/**
 * Requests an access token with client credentials (RFC 6749, section 4.4).
 * @throws TransmitterFailure, or the error of the connection
 */
export async function requestAccessToken(
  { tokenUrl, clientId, secret, scope }: ClientCredentials,
  { send, signal }: { send: SendToTransmitter; signal: AbortSignal },
): Promise<AccessToken> {
  const { status, json, retryAfter } = await send({
    method: 'POST',
    url: tokenUrl,
    authorization: basicAuthorization(clientId, secret),
    form: { grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) },
    signal,
  })
  if (status !== 200)
    throw new TransmitterFailure(`The token endpoint returned the status ${status}.`, {
      retryAfter,
    })
  const { access_token, expires_in } = readAs(TokenResponse, json(), 'access token')
  return { value: access_token, lifetimeMs: boundedLifetime((expires_in ?? 0) * 1_000) }
}

/** `client_secret_basic`: id and secret are form-encoded before they are joined (RFC 6749, section 2.3.1). */
export function basicAuthorization(clientId: string, secret: string): string {
  const encoded = [clientId, secret].map((text) => new URLSearchParams({ '': text }).toString().slice(1))
  return `Basic ${Buffer.from(encoded.join(':')).toString('base64')}`
}
