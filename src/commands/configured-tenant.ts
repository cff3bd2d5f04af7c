import { UsageError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { PermitLog } from '../qlik/budget/permit-log.ts'
import type { TenantConfig } from '../qlik/tenant-config.ts'

/** For a few calls, which need no history of the budget. */
export const NO_HISTORY: PermitLog = {
  history: async () => ({ permits: [], blockedUntil: null }),
  note: async () => {},
  block: async () => {},
  unblock: async () => {},
}

const silent = () => {}
/** Commands report what happens themselves. */
export const SILENT: Log = { info: silent, warn: silent, error: silent }

/** The tenant of `--tenant`; the default tenant without a name. @throws UsageError if it is not configured */
export function tenantNamed(
  name: string | undefined,
  tenants: readonly [TenantConfig, ...TenantConfig[]],
): TenantConfig {
  const found = name === undefined ? tenants[0] : tenants.find((one) => one.name === name)
  if (found) return found
  throw new UsageError('--tenant: no tenant of this name is configured.')
}
