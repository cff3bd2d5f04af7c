import type { Parts } from './components.ts'
import { dashboard } from './dashboard/dashboard.ts'
import { notifications } from './notifications/part.ts'
import { backChannelLogout } from './sources/back-channel-logout/part.ts'
import { globalTokenRevocation } from './sources/global-token-revocation/part.ts'
import { sharedSignals } from './sources/shared-signals/part.ts'
import { webhooks } from './sources/webhook/part.ts'
import { postgres } from './stores/postgres/part.ts'
import { telemetry } from './telemetry/part.ts'

/** The optional parts. Each is one line here and one folder; to leave it out, remove both. */
export const parts = {
  stores: [postgres],
  dashboard,
  notifications,
  telemetry,
  sources: [backChannelLogout, globalTokenRevocation, sharedSignals, webhooks],
} as const satisfies Parts
