import { digestOfKey } from '../base/api-key-digest.ts'
import type { Role } from '../base/role.ts'

/** An API key in the configuration. */
export interface ApiKeyConfig {
  /** Unique; by default the position in the configuration, such as `API_KEYS[0]`. */
  name: string
  /** SHA-256 of the key, in hex. */
  digest: string
  roles: readonly Role[]
  /** Names of the tenants it is valid for; null for all. */
  tenants: readonly string[] | null
  /** Start of its validity, in ms since the epoch; null if it has none. */
  notBefore: number | null
  /** End of its validity, in ms since the epoch; null if it has none. */
  expiresAt: number | null
  /** Whether it is exempt from the brake on mass revocation. */
  massRevocation?: boolean | undefined
}

/** A configured API key and its use by this process. */
export interface ApiKey extends ApiKeyConfig {
  /** Time of the last authenticated request, in ms since the epoch; null if there was none. */
  lastUsedAt: number | null
}

/** The sender that an API key identifies. */
export interface ApiKeySender {
  kind: 'api-key'
  name: string
  /** Identifies the key; also separates the idempotency keys of different keys. */
  fingerprint: string
  roles: readonly Role[]
  /** Null for all. */
  tenants: readonly string[] | null
  /** Whether it is exempt from the brake on mass revocation. */
  massRevocation?: boolean | undefined
}

export function senderOf({ name, digest, roles, tenants, massRevocation }: ApiKeyConfig): ApiKeySender {
  const exemption = massRevocation === true ? { massRevocation } : {}
  return { kind: 'api-key', name, fingerprint: digest.slice(0, 16), roles, tenants, ...exemption }
}

/** Whether a key is valid at this time. It is valid from `notBefore` on, and before `expiresAt`. */
export function validityOf(
  { notBefore, expiresAt }: Pick<ApiKeyConfig, 'notBefore' | 'expiresAt'>,
  now: number,
): 'valid' | 'not-yet-valid' | 'expired' {
  if (expiresAt !== null && now >= expiresAt) return 'expired'
  return notBefore !== null && now < notBefore ? 'not-yet-valid' : 'valid'
}

/**
 * The API keys of a configuration. Looks keys up by their digest, so the time does not grow with the number of keys.
 * Lookup time may reveal how much of a digest matches, but callers cannot choose digests, and a nearly matching digest
 * reveals nothing about the key.
 */
export class ApiKeys {
  #byDigest: ReadonlyMap<string, ApiKey>

  /** @param previous the keys of the previous configuration: a key that is in both keeps its last use */
  constructor(configs: readonly ApiKeyConfig[], previous?: ApiKeys) {
    const lastUses = new Map(previous?.all().map(({ digest, lastUsedAt }) => [digest, lastUsedAt]))
    this.#byDigest = new Map(
      configs.map((config) => [
        config.digest,
        { ...config, lastUsedAt: lastUses.get(config.digest) ?? null },
      ]),
    )
  }

  /** The key in an `Authorization` header, whether or not it is valid now; null if it is unknown. */
  find(authorization: string | undefined): ApiKey | null {
    const match = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')
    return match ? (this.#byDigest.get(digestOfKey(String(match[1]))) ?? null) : null
  }

  /** All keys, in the order of the configuration. */
  all(): ApiKey[] {
    return [...this.#byDigest.values()]
  }
}
