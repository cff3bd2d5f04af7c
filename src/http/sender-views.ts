import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../base/errors.ts'
import { isoTime } from '../base/iso-time.ts'
import { OPERATORS_ROLES, ROLES } from '../base/role.ts'
import type { SourceEntry } from '../base/source-entry.ts'
import { type ApiKey, senderOf } from './api-key.ts'
import type { ConfiguredSender, LastRequest, LastRequests } from './last-requests.ts'
import type { Sender, Senders } from './senders.ts'

const time = z.iso.datetime().nullable()
const tenants = z.array(z.string()).nullable().describe('Tenants it is restricted to; null for all')

const lastRequest = {
  lastAcceptedAt: time.describe(
    'Last request without an error to this process; null if none since its start',
  ),
  lastRejected: z
    .object({
      at: z.iso.datetime(),
      code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]).describe('The error code'),
      authenticated: z.boolean().describe('Whether the request, or the event in it, was authenticated'),
    })
    .nullable()
    .describe('Last rejected request or event; null if none since the start of this process'),
}

/** An API key as operators see it: never the key or its digest. */
const ApiKeyView = z.object({
  name: z.string(),
  roles: z.array(z.enum(ROLES)),
  tenants,
  notBefore: time,
  expiresAt: time,
  lastUsedAt: time.describe('Last authenticated request to this process; null if none since its start'),
  ...lastRequest,
})
const WebhookSecretView = z.object({ name: z.string(), tenants, ...lastRequest })
const SourceView = z.object({ name: z.string(), kind: z.string(), ...lastRequest })

/** The shape of `sendersVisibleTo`, with more members of each sender. */
export function senderViews<More extends z.ZodRawShape>(more: More) {
  return {
    apiKeys: z.array(ApiKeyView.extend(more)),
    webhookSecrets: z.array(WebhookSecretView.extend(more)),
    sources: z.array(SourceView.extend(more)),
  }
}

export const SenderViews = z.object(senderViews({}))
export type SenderViews = z.infer<typeof SenderViews>

export interface SenderViewsOptions {
  senders: Pick<Senders, 'apiKeys' | 'webhookSecrets'>
  sources: { entries(): readonly SourceEntry[] }
  last: Pick<LastRequests, 'of'>
  /** All tenants, the default one first. */
  tenants: { names(): readonly string[] }
}

/**
 * The senders that an operator can see; an empty object for other senders. The roles `operate` and `admin` see senders; a key
 * that is restricted to tenants sees only senders restricted to these tenants.
 * @param more further members of each sender
 */
export function sendersVisibleTo<More extends object = object>(
  sender: Sender | null,
  { senders, sources, last, tenants }: SenderViewsOptions,
  more: (of: ConfiguredSender) => More = () => ({}) as More,
) {
  if (!sender?.roles.some((role) => OPERATORS_ROLES.includes(role))) return {}
  const isVisible = (own: readonly string[] | null) =>
    sender.tenants === null || own?.every((name) => sender.tenants?.includes(name)) === true
  const lastOf = (of: ConfiguredSender) => ({ ...viewOf(last.of(of)), ...more(of) })
  return {
    apiKeys: senders
      .apiKeys()
      .filter((key) => isVisible(key.tenants))
      .map((key) => ({
        ...apiKeyView(key),
        ...lastOf({ kind: 'api-key', id: senderOf(key).fingerprint }),
      })),
    webhookSecrets: senders
      .webhookSecrets()
      .filter((secret) => isVisible(secret.tenants))
      .map(({ name, tenants, fingerprint }) => ({
        name,
        tenants: tenants && [...tenants],
        ...lastOf({ kind: 'webhook', id: fingerprint }),
      })),
    sources: sources
      .entries()
      .filter((entry) => isVisible(tenantsOf(entry, tenants.names())))
      .map(({ name, kind }) => ({ name, kind, ...lastOf({ kind: 'source', id: name }) })),
  }
}

/** The tenants that a source can name; null for all. */
function tenantsOf(
  { tenant, tenantFrom, tenants }: Omit<SourceEntry, 'name' | 'kind'>,
  [first]: readonly string[],
): readonly string[] | null {
  if (tenantFrom !== undefined) return tenants ?? null
  const only = tenant ?? first
  return only === undefined ? null : [only]
}

function apiKeyView(key: ApiKey) {
  const { name, roles, tenants, notBefore, expiresAt, lastUsedAt } = key
  return {
    name,
    roles: [...roles],
    tenants: tenants && [...tenants],
    notBefore: isoTime(notBefore),
    expiresAt: isoTime(expiresAt),
    lastUsedAt: isoTime(lastUsedAt),
  }
}

function viewOf({ acceptedAt, rejected }: LastRequest) {
  return {
    lastAcceptedAt: isoTime(acceptedAt),
    lastRejected: rejected && {
      at: new Date(rejected.at).toISOString(),
      code: rejected.code,
      authenticated: rejected.isAuthenticated,
    },
  }
}
