import { randomBytes } from 'node:crypto'
import { LIMITS } from '../base/config-formats.ts'
import { DEFAULTS, type SandboxOptions } from './options.ts'

/** The limits of a tenant, by the variables that set them in Curfew. The defaults of both are Qlik Cloud's limits. */
const LIMIT_KEYS = [
  { key: 'QLIK_TIER1_LIMIT', name: 'tier1Limit', range: LIMITS.tier1Limit },
  { key: 'QLIK_TIER2_LIMIT', name: 'tier2Limit', range: LIMITS.tier2Limit },
  { key: 'QLIK_RATE_WINDOW_MS', name: 'windowMs', range: LIMITS.rateWindowMs },
] as const

interface Target {
  url: string
  clientId: string
  clientSecret: string
  limits?: Pick<SandboxOptions, 'tier1Limit' | 'tier2Limit' | 'windowMs'>
  /** Random by default. */
  webhookSecret?: string
  /** Random by default. */
  apiKey?: string
}

/**
 * The environment variables that point Curfew at a sandbox tenant. A limit is set only if it differs from the default and
 * Curfew accepts it.
 */
export function curfewEnvironment({
  url,
  clientId,
  clientSecret,
  limits = {},
  webhookSecret = `whsec_${randomBytes(32).toString('base64')}`,
  apiKey = randomBytes(24).toString('base64url'),
}: Target): Record<string, string> {
  const changed = LIMIT_KEYS.flatMap(({ key, name, range }) => {
    const value = limits[name] ?? DEFAULTS[name]
    return value !== DEFAULTS[name] && range.safeParse(value).success ? [[key, String(value)]] : []
  })
  return {
    // Curfew accepts http on loopback only: not the wildcard address that a sandbox may listen on.
    QLIK_TENANT_URL: url.replace(/(?<=\/\/)(0\.0\.0\.0|\[::\])(?=:)/, '127.0.0.1'),
    QLIK_CLIENT_ID: clientId,
    QLIK_CLIENT_SECRET: clientSecret,
    ...Object.fromEntries(changed),
    WEBHOOK_SECRETS: webhookSecret,
    API_KEYS: apiKey,
  }
}

/** The lines of an `.env` file that Node reads as these variables. */
export function envLines(environment: Record<string, string>): string {
  return Object.entries(environment)
    .map(([key, value]) => `${key}=${quoted(value)}`)
    .join('\n')
}

function quoted(value: string): string {
  if (/^[\w.:/+=@|-]*$/.test(value)) return value
  // Between double quotes, Node expands \n.
  const quote = ["'", '`', '"'].find((one) => !value.includes(one)) ?? ''
  return quote + value + quote
}
