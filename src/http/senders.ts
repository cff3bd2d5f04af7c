import { createHash, type KeyObject } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { isoTime } from '../base/iso-time.ts'
import type { Log } from '../base/log.ts'
import type { Role } from '../base/role.ts'
import { keyThatSigned, requireCurrent, type SignedHeaders, webhookKey } from '../base/standard-webhooks.ts'
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
import { SearchQueue } from './search-queue.ts'

/** A Standard Webhooks secret in the configuration. */
export interface WebhookSecretConfig {
  /** Unique; by default the position in the configuration, such as `WEBHOOK_SECRETS[0]`. */
  name: string
  secret: string
  /** Names of the tenants it is valid for; null for all. */
  tenants: readonly string[] | null
  /** Whether it is exempt from the brake on mass revocation. */
  massRevocation?: boolean | undefined
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
  /** Whether it is exempt from the brake on mass revocation. */
  massRevocation?: boolean | undefined
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

/** The webhook keys that matched last are tried first, without a limit. */
const RECENT_KEYS = 32
/**
 * How many bytes may be hashed per second without finding the key of a webhook: HMACs of a body with 994 keys share no
 * work. About a tenth of a processor.
 */
const SEARCH_BYTES_PER_S = 64 * 1024 * 1024
/** What an HMAC costs in addition to the body, in bytes that are hashed in the same time. */
const HMAC_COST_BYTES = 512

interface SignatureCheck {
  /** The name of the secret, as far as the sender says; it is not authenticated. */
  hint: string | null
  /** Recent failed authentications of the sender's address. */
  failures: number
}

/** The senders in the current configuration. */
export class Senders {
  #apiKeys = new ApiKeys([])
  #webhookKeys: ReadonlyMap<KeyObject, WebhookSecret> = new Map()
  #recent: readonly KeyObject[] = []
  readonly #clock: Clock
  readonly #log: Log
  readonly #searches: SearchQueue
  #isStarted = false
  #cancelTimer = () => {}

  constructor(config: SendersConfig, { clock, log, refused = () => {} }: SendersOptions) {
    this.#clock = clock
    this.#log = log
    this.#searches = new SearchQueue({ bytesPerSecond: SEARCH_BYTES_PER_S, clock, refused })
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

  /**
   * The sender of the API key in an `Authorization` header. Without a sender, `invalidKey` is the key if it is configured,
   * but not valid now. It is for the log: callers see no difference.
   */
  byApiKey(authorization: string | undefined): { sender: Sender | null; invalidKey: InvalidKey | null } {
    const key = this.#apiKeys.find(authorization)
    if (!key) return { sender: null, invalidKey: null }
    const now = this.#clock.now()
    const validity = validityOf(key, now)
    const sender = senderOf(key)
    if (validity !== 'valid')
      return { sender: null, invalidKey: { name: sender.name, id: sender.fingerprint, validity } }
    key.lastUsedAt = now
    return { sender, invalidKey: null }
  }

  /**
   * The sender that signed this body.
   * @throws CURFEW_SIGNATURE_INVALID, CURFEW_SIGNATURE_EXPIRED, CURFEW_OVERLOADED
   */
  async bySignature(signed: SignedHeaders, body: Buffer, check: SignatureCheck): Promise<Sender> {
    const key = await this.#keyOf(signed, body, check)
    const secret = this.#webhookKeys.get(key)
    if (!secret) throw new CurfewError('CURFEW_SIGNATURE_INVALID')
    if (this.#recent[0] !== key)
      this.#recent = [key, ...this.#recent.filter((other) => other !== key)].slice(0, RECENT_KEYS)
    const { name, tenants, fingerprint, massRevocation } = secret
    const proven = {
      kind: 'webhook',
      name,
      fingerprint,
      webhookId: signed.id,
      roles: WEBHOOK_ROLES,
      tenants,
    } as const
    return massRevocation === true ? { ...proven, massRevocation } : proven
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

  /** Hints and recent matches come first: a key that signs is found at no cost to others. */
  async #keyOf(signed: SignedHeaders, body: Buffer, { hint, failures }: SignatureCheck): Promise<KeyObject> {
    // The time of the request counts, not that of its turn.
    const now = this.#clock.now()
    const hinted = [...this.#webhookKeys].flatMap(([key, { name }]) => (name === hint ? [key] : []))
    const first = new Set([...hinted, ...this.#recent])
    const others = () => [...this.#webhookKeys.keys()].filter((key) => !first.has(key))
    const search = {
      bytes: body.length,
      cost: others().length * (body.length + HMAC_COST_BYTES),
      failures,
    }
    const key =
      keyThatSigned(signed, body, [...first]) ??
      // A reload can change the keys while it waits.
      (search.cost === 0
        ? null
        : await this.#searches.run(search, () => keyThatSigned(signed, body, others())))
    if (!key) throw new CurfewError('CURFEW_SIGNATURE_INVALID')
    requireCurrent(signed, now)
    return key
  }
}

function withKey(config: WebhookSecretConfig): [KeyObject, WebhookSecret] {
  const key = webhookKey(config.secret)
  const fingerprint = createHash('sha256').update(key.export()).digest('hex').slice(0, 16)
  return [key, { ...config, fingerprint }]
}
