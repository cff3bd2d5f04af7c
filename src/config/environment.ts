import { z } from 'zod'
import { KEY_ALGORITHMS } from '../base/client-key.ts'
import { FORMATS, type Format, LIMITS, split } from '../base/config-formats.ts'

const listOf = ({ isValid, expected }: Format) =>
  z.string().refine((text) => split(text).every(isValid), `${expected}, separated by commas`)

/**
 * The environment variables, with meaning, default and reason. A test ensures that `.env.example` has the same keys.
 * Every key in `SECRETS` can also be set as `…_FILE`, the path of a file that holds the value.
 */
export const Environment = z.object({
  /** Address to listen on. Loopback by default, so nothing is exposed to the network unless configured. */
  HOST: z.string().min(1).default('127.0.0.1'),
  /** Port to listen on; 0 picks a free one. */
  PORT: z.int().min(0).max(65_535).default(3_000),
  /** Address of the operators' listener. Loopback by default, because `/metrics` and `/docs` there need no key. */
  OPS_HOST: z.string().min(1).default('127.0.0.1'),
  /**
   * Port of a second listener for operators; 0 picks a free one. If it is set, metrics, documentation, details of readiness,
   * and routes with the roles `operate` and `admin` are available only there. By default there is one listener.
   */
  OPS_PORT: z.int().min(0).max(65_535).optional(),
  /**
   * Addresses of proxies whose `X-Forwarded-For` is believed: IP addresses, networks (CIDR), `loopback`, `linklocal` or
   * `uniquelocal`, separated by commas. None by default, because anyone can send the header. Behind a proxy that is not
   * listed, all senders share its address.
   */
  TRUST_PROXY: listOf(FORMATS.proxy).default(''),
  /** Maximum number of open connections. Each can hold 16 KiB of headers before it is rejected. */
  MAX_CONNECTIONS: z.int().min(10).max(65_535).default(2_000),
  /** Failed authentications per minute and address (IPv6: /64) before they get 429; 0 for no limit. */
  MAX_FAILED_AUTHENTICATIONS: z.int().min(0).max(1_000_000).default(60),
  /** Requests get 503 while the process uses more than 85 % of this memory, in MiB. 0 for the limit of the container. */
  MEMORY_LIMIT_MB: z.int().min(0).max(1_048_576).default(0),
  /** Minimum log level. `info` writes one line for each revocation that ends. */
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /**
   * The Qlik Cloud tenant, `https://tenant.region.qlikcloud.com`. Plain http is accepted on loopback only. This and the next
   * two are required unless CONFIG_FILE has tenants. Together with CONFIG_FILE they define the first tenant, `default`.
   */
  QLIK_TENANT_URL: z.string().refine(FORMATS.tenantUrl.isValid, FORMATS.tenantUrl.expected).optional(),
  /** Id of the machine-to-machine OAuth client. */
  QLIK_CLIENT_ID: z.string().min(1).optional(),
  /** The client's secret. Either this or QLIK_CLIENT_KEY_FILE is required. */
  QLIK_CLIENT_SECRET: z.string().min(1).optional(),
  /** During a rotation, the previous secret. Used if the token endpoint rejects QLIK_CLIENT_SECRET. */
  QLIK_CLIENT_SECRET_PREVIOUS: z.string().optional(),
  /**
   * Path of the client's private key (`private_key_jwt`): PEM or JWK, RSA with at least 2048 bits or EC on P-384. Accepted
   * as a file only, because environment variables are visible in too many places.
   */
  QLIK_CLIENT_KEY_FILE: z.string().min(1).optional(),
  /** The key's `kid` at Qlik. Defaults to the `kid` of the JWK, or none. */
  QLIK_CLIENT_KEY_ID: z.string().min(1).optional(),
  /** Signature algorithm. Defaults to the `alg` of the JWK, or RS256 for an RSA key and ES384 for a P-384 key. */
  QLIK_CLIENT_KEY_ALG: z.enum(KEY_ALGORITHMS).optional(),
  /** During a rotation, the path of the previous key. Used if the token endpoint rejects the key above. */
  QLIK_CLIENT_KEY_PREVIOUS_FILE: z.string().min(1).optional(),
  /** QLIK_CLIENT_KEY_ID of the previous key. */
  QLIK_CLIENT_KEY_PREVIOUS_ID: z.string().min(1).optional(),
  /** QLIK_CLIENT_KEY_ALG of the previous key. */
  QLIK_CLIENT_KEY_PREVIOUS_ALG: z.enum(KEY_ALGORITHMS).optional(),
  /** Scope of the access token. Revoking other users' tokens requires admin_classic. */
  QLIK_SCOPE: z.string().min(1).default('admin_classic'),
  /**
   * The Qlik API release sent with each call (`qlik-api-version`): `YYYY-MM`, `latest`, or `none` to omit the header. It does
   * not change responses: Qlik announces what it deprecated after that release. Defaults to the newest release that this
   * version of Curfew was tested with; without the header, Qlik assumes the oldest release it supports.
   */
  QLIK_API_VERSION: z
    .string()
    .refine(FORMATS.apiVersion.isValid, FORMATS.apiVersion.expected)
    .default('2026-11'),
  /** Reads per window. Qlik allows 1,000 per minute, counted over 5 minutes. */
  QLIK_TIER1_LIMIT: LIMITS.tier1Limit.default(5_000),
  /** Revocations and access token requests per window. Qlik allows 100 per minute, counted over 5 minutes. */
  QLIK_TIER2_LIMIT: LIMITS.tier2Limit.default(500),
  /** Window of Qlik's rate limits, in ms. A shorter window is for the sandbox only. */
  QLIK_RATE_WINDOW_MS: LIMITS.rateWindowMs.default(300_000),
  /** Timeout of a single call to Qlik and of each of its phases, in ms. */
  QLIK_TIMEOUT_MS: LIMITS.timeoutMs.default(10_000),
  /** Concurrent revoke calls per tenant. 16 use up the budget of 500 in seconds without flooding the tenant. */
  REVOKE_CONCURRENCY: LIMITS.concurrency.default(16),
  /** Secrets of webhook senders (Standard Webhooks). Several, so that they can be rotated. */
  WEBHOOK_SECRETS: listOf(FORMATS.webhookSecret).default(''),
  /**
   * API keys or their digests. Several, so that they can be rotated. Long, because nothing else protects the routes. They
   * have all roles, so that a single variable is enough to start.
   */
  API_KEYS: listOf(FORMATS.apiKey).default(''),
  /**
   * The brake on mass revocation: how many different users one API key, webhook secret or source may name within
   * MASS_REVOCATION_WINDOW_MS. Beyond it, its signals are held until an operator decides. 0 for no limit. The default
   * is more than log out at the same time in most companies, and less than a large company has.
   */
  MASS_REVOCATION_USERS: z.int().min(0).max(500_000).default(20_000),
  /** Window of MASS_REVOCATION_USERS, in ms. */
  MASS_REVOCATION_WINDOW_MS: z.int().min(1_000).max(86_400_000).default(600_000),
  /** Path of a JSON file with more tenants, clients, API keys, webhook secrets and sources: docs/configuration.md. */
  CONFIG_FILE: z.string().min(1).optional(),
  /** Where revocations are stored: an SQLite file, for one process, or PostgreSQL, for several. */
  DATABASE_URL: z
    .string()
    .refine(FORMATS.databaseUrl.isValid, FORMATS.databaseUrl.expected)
    .default('sqlite:./data/curfew.db'),
  /**
   * Accepts a PostgreSQL server beyond loopback without verified TLS, for a private network. By default it is rejected: rows
   * name users, and an interceptor of the connection could read and change them.
   */
  DATABASE_INSECURE: z.boolean().default(false),
  /** Maximum number of PostgreSQL connections, plus one that listens. The server must allow those of all replicas. */
  DATABASE_CONNECTIONS: z.int().min(2).max(100).default(10),
  /** How long finished revocations are kept, in days. */
  RETENTION_DAYS: z.int().min(1).max(3_650).default(30),
  /**
   * How long entries of the audit trail are kept, in days. Longer than revocations: incidents are often discovered months
   * later. 0 turns the audit trail off: nothing is recorded, and nothing is deleted.
   */
  AUDIT_RETENTION_DAYS: z.int().min(0).max(3_650).default(365),
  /**
   * An Ed25519 private key in PEM, which signs the ends of the audit trail's chains once a day. Then those who can write to the
   * database, but do not have the key, cannot change earlier entries unnoticed. Not set by default, because operators must store
   * the key and distribute its public key.
   */
  AUDIT_SIGNING_KEY: z.string().refine(FORMATS.signingKey.isValid, FORMATS.signingKey.expected).optional(),
  /**
   * Encrypts the sessions of the dashboard, at least 32 characters. Replicas need the same. By default each process creates its
   * own, so that a restart ends all sessions.
   */
  DASHBOARD_SECRET: z.string().min(32).optional(),
  /**
   * Whether the dashboard changes nothing, whatever the roles of a key allow. Off by default: keys without the role `operate`
   * change nothing anyway. Turn it on where the dashboard is shown to people who use keys with more roles.
   */
  DASHBOARD_READ_ONLY: z.boolean().default(false),
  /**
   * How long a shutdown waits before it stops listening, in ms. The process reports that it is not ready but still serves,
   * so that a proxy or Kubernetes can stop sending requests to it first. A single process needs no wait.
   */
  SHUTDOWN_DRAIN_MS: z.int().min(0).max(600_000).default(0),
  /** Maximum duration of a shutdown after that, in ms. The container needs longer: Docker kills after 10 s by default. */
  SHUTDOWN_GRACE_MS: z.int().min(100).max(600_000).default(10_000),
})
export type Environment = z.infer<typeof Environment>

export const SECRETS = [
  'QLIK_CLIENT_SECRET',
  'QLIK_CLIENT_SECRET_PREVIOUS',
  'WEBHOOK_SECRETS',
  'API_KEYS',
  'DATABASE_URL',
  'AUDIT_SIGNING_KEY',
  'DASHBOARD_SECRET',
] as const
