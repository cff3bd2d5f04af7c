import { digestOfKey } from '../../src/base/api-key-digest.ts'
import { ROLES } from '../../src/base/role.ts'
import { ConfigError, loadConfig } from '../../src/config/load-config.ts'
import type { Mistake } from '../../src/config/read-environment.ts'
import { parts } from '../../src/parts.ts'

export const secretOf = (bytes: number) =>
  `whsec_${Buffer.from(Array.from({ length: bytes }, (_, index) => index)).toString('base64')}`
export const KEY = 'key-0123456789-abcdefghi'
export const COMPLETE: Record<string, string> = {
  QLIK_TENANT_URL: 'https://acme.eu.qlikcloud.com',
  QLIK_CLIENT_ID: 'client',
  QLIK_CLIENT_SECRET: 'client-secret',
  API_KEYS: KEY,
}

/** An API key of the configuration, as `loadConfig` returns it. */
export function apiKeyOf(name: string, key: string, tenants: string[] | null = null): object {
  return { name, digest: digestOfKey(key), roles: ROLES, tenants, notBefore: null, expiresAt: null }
}

/** The mistakes in a complete environment after these changes; empty if it is valid. */
export async function mistakesOf(changes: Record<string, string | undefined>): Promise<Mistake[]> {
  try {
    await loadConfig({ ...COMPLETE, ...changes }, parts.sources)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
}
export const keysOf = (mistakes: Mistake[]) => mistakes.map(({ key }) => key)
