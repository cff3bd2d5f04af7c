import { isDeepStrictEqual } from 'node:util'
import type { TenantConfig } from './tenant-config.ts'

/** The configured tenants. A reload replaces them all. */
export interface TenantConfigs {
  byName: ReadonlyMap<string, TenantConfig>
  /** All tenant names, the default one first. */
  names: readonly string[]
  /** The highest limit of concurrent revoking calls of any tenant. */
  highestConcurrency: number
}

/** How a reload changed the tenants. */
export interface TenantChanges {
  added: number
  removed: number
  changed: number
}

export function tenantConfigs(configs: readonly TenantConfig[]): TenantConfigs {
  const byName = new Map(configs.map((config) => [config.name, config]))
  const concurrencies = configs.map(({ concurrency, clients }) => concurrency * clients.length)
  return {
    byName,
    names: [...byName.keys()],
    highestConcurrency: concurrencies.reduce((one, other) => Math.max(one, other), 1),
  }
}

export function changesBetween(
  { byName: before }: TenantConfigs,
  { byName: after }: TenantConfigs,
): TenantChanges {
  const kept = [...after.values()].filter(({ name }) => before.has(name))
  return {
    added: after.size - kept.length,
    removed: before.size - kept.length,
    changed: kept.filter((config) => !isDeepStrictEqual(config, before.get(config.name))).length,
  }
}

/** Whether a tenant can continue with other clients: all other settings are the same, and there are or were several. */
export function mayKeep(before: TenantConfig, after: TenantConfig): boolean {
  const { clients: earlier, ...old } = before
  const { clients: later, ...own } = after
  return earlier.length + later.length > 2 && isDeepStrictEqual(old, own)
}
