import type { KeyObject } from 'node:crypto'
import { type SignedHeaders, verifyWebhook, webhookKey } from '../base/standard-webhooks.ts'
import { type ApiKeyCheck, type ApiKeyConfig, type ApiKeySender, apiKeyCheck } from './api-key.ts'

/** A secret of Standard Webhooks, and the names of the tenants that it is valid for; null for all. */
export interface WebhookSecretConfig {
  secret: string
  tenants: readonly string[] | null
}

/** What proves the senders of signals. */
export interface SendersConfig {
  apiKeys: ApiKeyConfig[]
  webhookSecrets: WebhookSecretConfig[]
}

/** Who sent a request, once proven, and the tenants that they may name and see; null for all. */
export type Sender = ApiKeySender | { kind: 'webhook'; webhookId: string; tenants: readonly string[] | null }

/** Whoever may send, as the configuration has it now. */
export class Senders {
  #byApiKey: ApiKeyCheck = () => null
  /** Keys of webhooks, and the tenants that each is good for; null for all. */
  #webhookKeys: ReadonlyMap<KeyObject, readonly string[] | null> = new Map()

  constructor(config: SendersConfig) {
    this.replace(config)
  }

  /** From now on these, and no others. */
  replace({ apiKeys, webhookSecrets }: SendersConfig): void {
    this.#byApiKey = apiKeyCheck(apiKeys)
    this.#webhookKeys = new Map(webhookSecrets.map(({ secret, tenants }) => [webhookKey(secret), tenants]))
  }

  /** The sender whose API key an `Authorization` header carries, or null. */
  byApiKey(authorization: string | undefined): Sender | null {
    return this.#byApiKey(authorization)
  }

  /**
   * The sender who signed these bytes.
   * @param now ms since the epoch
   * @throws CURFEW_SIGNATURE_INVALID, CURFEW_SIGNATURE_EXPIRED
   */
  bySignature(signed: SignedHeaders, body: Buffer, now: number): Sender {
    const key = verifyWebhook(signed, body, [...this.#webhookKeys.keys()], now)
    return { kind: 'webhook', webhookId: signed.id, tenants: this.#webhookKeys.get(key) ?? null }
  }
}
