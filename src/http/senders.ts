import { createHash, type KeyObject } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { CurfewError, hasCode } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Role } from '../base/role.ts'
import { type SignedHeaders, verifyWebhook, webhookKey } from '../base/standard-webhooks.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import {
  type ApiKey,
  type ApiKeyConfig,
  type ApiKeySender,
  ApiKeys,
  senderOf,
  validityOf,
} from './api-key.ts'
import { expiringKeys, untilNextWarning } from './key-expiry.ts'
import type { CountRefusal } from './refusals.ts'

/** A Standard Webhooks secret in the configuration. */
export interface WebhookSecretConfig {
  /** Unique; by default the position in the configuration, such as `WEBHOOK_SECRETS[0]`. */
  name: string
  secret: string
  /** Names of the tenants it is valid for; null for all. */
  tenants: readonly string[] | null
}

/** The credentials of senders. */
export interface SendersConfig {
  apiKeys: ApiKeyConfig[]
  webhookSecrets: WebhookSecretConfig[]
}

/** The sender that a webhook secret identifies. */
export interface WebhookSender {
  kind: 'webhook'
  name: string
  /** Identifies the secret. */
  fingerprint: string
  webhookId: string
  roles: readonly Role[]
  /** Null for all. */
  tenants: readonly string[] | null
}

/** An authenticated sender, its roles, and the tenants it can name and see. */
export type Sender = ApiKeySender | WebhookSender

/** A configured webhook secret. */
export type WebhookSecret = WebhookSecretConfig & Pick<WebhookSender, 'fingerprint'>

/** A configured API key that is not valid now. */
export interface InvalidKey {
  name: string
  id: string
  validity: 'not-yet-valid' | 'expired'
}

/** A webhook secret can only sign signals. */
const WEBHOOK_ROLES: readonly Role[] = ['signal']

export interface SendersOptions {
  clock: Clock
  log: Log
  refused?: CountRefusal
}

/** The webhook keys that matched last are tried first, at no cost to `SEARCH_BYTES`. */
const RECENT_KEYS = 32
/**
 * What may be hashed in vain, per second, to find the key of a webhook: HMACs of a body with 994 keys share no work. About a
 * tenth of a processor; two seconds' worth at once.
 */
const SEARCH_BYTES_PER_S = 64 * 1024 * 1024
/** What an HMAC costs besides the body, in bytes that are hashed in the same time. */
const HMAC_COST_BYTES = 512

interface SignatureCheck {
  /** Ms since the epoch. */
  now: number
  /** Tries only the keys that matched last. */
  onlyRecent: boolean
}

/** The senders in the current configuration. */
export class Senders {
  #apiKeys = new ApiKeys([])
  #webhookKeys: ReadonlyMap<KeyObject, WebhookSecret> = new Map()
  #recent: readonly KeyObject[] = []
  readonly #clock: Clock
  readonly #log: Log
  readonly #refused: CountRefusal
  readonly #searches: TokenBucket
  #isStarted = false
  #cancelTimer = () => {}

  constructor(config: SendersConfig, { clock, log, refused = () => {} }: SendersOptions) {
    this.#clock = clock
    this.#log = log
    this.#refused = refused
    const bytes = { capacity: 2 * SEARCH_BYTES_PER_S, perSecond: SEARCH_BYTES_PER_S }
    this.#searches = new TokenBucket({ ...bytes, clock })
    this.replace(config)
  }

  /** Starts to warn of API keys that expire. */
  start(): void {
    this.#isStarted = true
    this.#warnOfExpiry()
  }

  stop(): void {
    this.#isStarted = false
    this.#cancelTimer()
  }

  /** Replaces all senders. API keys that stay configured keep their last use. */
  replace({ apiKeys, webhookSecrets }: SendersConfig): void {
    this.#apiKeys = new ApiKeys(apiKeys, this.#apiKeys)
    this.#webhookKeys = new Map(webhookSecrets.map(withKey))
    this.#recent = [...this.#webhookKeys.keys()].slice(0, RECENT_KEYS)
    if (this.#isStarted) this.#warnOfExpiry()
  }

  /** The sender of the API key in an `Authorization` header; null if the key is unknown, or not valid now. */
  byApiKey(authorization: string | undefined): Sender | null {
    const key = this.#apiKeys.find(authorization)
    const now = this.#clock.now()
    if (!key || validityOf(key, now) !== 'valid') return null
    key.lastUsedAt = now
    return senderOf(key)
  }

  /** The API key in an `Authorization` header, if it is configured but not valid now. For the log: callers learn no difference. */
  invalidKey(authorization: string | undefined): InvalidKey | null {
    const key = this.#apiKeys.find(authorization)
    const validity = key ? validityOf(key, this.#clock.now()) : 'valid'
    if (!key || validity === 'valid') return null
    const { name, fingerprint } = senderOf(key)
    return { name, id: fingerprint, validity }
  }

  /**
   * The sender that signed this body.
   * @throws CURFEW_SIGNATURE_INVALID, CURFEW_SIGNATURE_EXPIRED, CURFEW_OVERLOADED
   */
  bySignature(signed: SignedHeaders, body: Buffer, check: SignatureCheck): Sender {
    const key = this.#keyOf(signed, body, check)
    const secret = this.#webhookKeys.get(key)
    if (!secret) throw new CurfewError('CURFEW_SIGNATURE_INVALID')
    if (this.#recent[0] !== key)
      this.#recent = [key, ...this.#recent.filter((other) => other !== key)].slice(0, RECENT_KEYS)
    const { name, tenants, fingerprint } = secret
    return { kind: 'webhook', name, fingerprint, webhookId: signed.id, roles: WEBHOOK_ROLES, tenants }
  }

  /** The API keys, with their last use by this process. */
  apiKeys(): readonly ApiKey[] {
    return this.#apiKeys.all()
  }

  webhookSecrets(): readonly WebhookSecret[] {
    return [...this.#webhookKeys.values()]
  }

  #warnOfExpiry(): void {
    this.#cancelTimer()
    const [keys, now] = [this.apiKeys(), this.#clock.now()]
    const { soon, expired } = expiringKeys(keys, now)
    for (const { name, expiresAt } of soon)
      this.#log.warn({ apiKey: name, expiresAt: isoTime(expiresAt) }, 'an API key expires soon')
    for (const { name, expiresAt } of expired)
      this.#log.warn({ apiKey: name, expiresAt: isoTime(expiresAt) }, 'an API key has expired')
    const wait = untilNextWarning(keys, now)
    if (wait !== null) this.#cancelTimer = this.#clock.after(wait, () => this.#warnOfExpiry())
  }

  #keyOf(signed: SignedHeaders, body: Buffer, { now, onlyRecent }: SignatureCheck): KeyObject {
    try {
      return verifyWebhook(signed, body, this.#recent, now)
    } catch (error) {
      const others = [...this.#webhookKeys.keys()].filter((key) => !this.#recent.includes(key))
      if (onlyRecent || others.length === 0 || !hasCode(error, 'CURFEW_SIGNATURE_INVALID')) throw error
      return this.#search(signed, body, others, now)
    }
  }

  #search(signed: SignedHeaders, body: Buffer, keys: readonly KeyObject[], now: number): KeyObject {
    if (!this.#searches.hasRoom()) {
      this.#refused('verification')
      throw new CurfewError('CURFEW_OVERLOADED', undefined, { retryAfterSeconds: 1 })
    }
    try {
      return verifyWebhook(signed, body, keys, now)
    } catch (error) {
      if (hasCode(error, 'CURFEW_SIGNATURE_INVALID'))
        this.#searches.spend(keys.length * (body.length + HMAC_COST_BYTES))
      throw error
    }
  }
}

function withKey(config: WebhookSecretConfig): [KeyObject, WebhookSecret] {
  const key = webhookKey(config.secret)
  const fingerprint = createHash('sha256').update(key.export()).digest('hex').slice(0, 16)
  return [key, { ...config, fingerprint }]
}

function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
