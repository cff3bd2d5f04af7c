import type { KeyObject } from 'node:crypto'
import { type SignedHeaders, verifyWebhook, webhookKey } from '../base/standard-webhooks.ts'
import { type ApiKeyCheck, type ApiKeyConfig, type ApiKeySender, apiKeyCheck } from './api-key.ts'

/** A Standard Webhooks secret and the names of the tenants it is valid for; null for all. */
export interface WebhookSecretConfig {
  secret: string
  tenants: readonly string[] | null
}

/** The credentials of senders. */
export interface SendersConfig {
  apiKeys: ApiKeyConfig[]
  webhookSecrets: WebhookSecretConfig[]
}

/** An authenticated sender and the tenants it can name and see; null for all. */
export type Sender = ApiKeySender | { kind: 'webhook'; webhookId: string; tenants: readonly string[] | null }

/** The senders in the current configuration. */
export class Senders {
  #byApiKey: ApiKeyCheck = () => null
  /** Webhook keys and the tenants each is valid for; null for all. */
  #webhookKeys: ReadonlyMap<KeyObject, readonly string[] | null> = new Map()

  constructor(config: SendersConfig) {
    this.replace(config)
  }

  /** Replaces all senders. */
  replace({ apiKeys, webhookSecrets }: SendersConfig): void {
    this.#byApiKey = apiKeyCheck(apiKeys)
    this.#webhookKeys = new Map(webhookSecrets.map(({ secret, tenants }) => [webhookKey(secret), tenants]))
  }

  /** The sender of the API key in an `Authorization` header, or null if the key is unknown. */
  byApiKey(authorization: string | undefined): Sender | null {
    return this.#byApiKey(authorization)
  }

  /**
   * The sender that signed this body.
   * @param now ms since the epoch
   * @throws CURFEW_SIGNATURE_INVALID, CURFEW_SIGNATURE_EXPIRED
   */
  bySignature(signed: SignedHeaders, body: Buffer, now: number): Sender {
    const key = verifyWebhook(signed, body, [...this.#webhookKeys.keys()], now)
    return { kind: 'webhook', webhookId: signed.id, tenants: this.#webhookKeys.get(key) ?? null }
  }
}
