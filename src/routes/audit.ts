import { Readable } from 'node:stream'
import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PROVEN, provenSender, requireUnrestricted } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import { queryTime } from '../http/query-time.ts'
import { optionalUser, UserNames } from '../http/signal-body.ts'
import type { AuditReading } from '../revocation/audit/audit-log.ts'
import { Entry, EventName, PrivatePart, type StoredEntry } from '../revocation/audit/entry.ts'
import { exportAudit } from '../revocation/audit/export.ts'
import { Identifier } from '../revocation/signal.ts'
import { mayUse } from '../revocation/tenant-bounds.ts'

export interface AuditRoutesOptions {
  audit: AuditReading
}

/** The OpenAPI document cannot describe details of any depth. */
const EntryView = Entry.extend({ details: z.record(z.string(), z.unknown()) })

const AuditItem = z.object({
  entry: EntryView.nullable().describe('Null if another program has damaged it: see the export'),
  private: PrivatePart.nullable().describe('Personal data; null if there is none, or if it was erased'),
  hash: z.string().describe('SHA-256 of the canonical JSON (RFC 8785) of the entry'),
})

const AuditFilters = z.strictObject({
  ...UserNames.shape,
  sender: Identifier.optional().describe('Only entries of this API key, webhook secret or source'),
  event: EventName.optional().describe('Only entries of this event'),
  revocation: z
    .uuid('expected the id of a revocation')
    .optional()
    .describe('Only entries of this revocation'),
  tenant: Identifier.optional().describe('Only entries of this tenant'),
  from: queryTime.describe('Only entries from this time on (ISO 8601)'),
  to: queryTime.describe('Only entries before this time (ISO 8601)'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Page size'),
  cursor: z
    .string()
    .regex(/^\d+_[0-9a-f-]{36}_\d+$/, 'expected the nextCursor of the previous page')
    .optional()
    .describe('`nextCursor` of the previous page'),
})
type AuditFilters = z.infer<typeof AuditFilters>

const shared = { tags: ['audit'], security: [{ apiKey: [] }] }
const config = { senders: ['api-key'], role: 'read', isForOperators: true } as const

/** `GET /audit` and `GET /audit/export`: read the audit trail. */
const auditRoutes: FastifyPluginAsyncZod<AuditRoutesOptions> = async (app, { audit }) => {
  app.get(
    '/audit',
    {
      config,
      schema: {
        ...shared,
        operationId: 'listAuditEntries',
        summary: 'List entries of the audit trail, newest first',
        description:
          'An API key that is restricted to tenants sees only entries of these tenants. `userId`, `subject` or `email` ' +
          'selects entries that name the user. The response has `nextCursor` if there are more; a page can then have ' +
          'fewer items than `limit`.',
        querystring: AuditFilters,
        response: {
          200: z.object({ items: z.array(AuditItem), nextCursor: z.string().nullable() }).describe('A page'),
          default: problemAnswer,
        },
      },
    },
    async (request) => {
      const { userId, subject, email, tenant, from, to, ...filters } = request.query
      const { items, nextCursor } = await audit.list({
        ...filters,
        user: optionalUser({ userId, subject, email }),
        tenants: tenantsFor(tenant, provenSender(request)),
        from: from === undefined ? undefined : Date.parse(from),
        to: to === undefined ? undefined : Date.parse(to),
      })
      return { items: items.map(toItem), nextCursor }
    },
  )

  app.get(
    '/audit/export',
    {
      config,
      // It would read the whole trail to discard it.
      exposeHeadRoute: false,
      schema: {
        ...shared,
        operationId: 'exportAuditTrail',
        summary: 'Export the audit trail',
        description:
          'All entries in the order of their chains, as JSON Lines: one object with `entry`, `hash` and `private` per line. ' +
          'The command `verify-audit` verifies it. Curfew closes the connection if the export cannot be completed. Requires ' +
          'an API key that is not restricted to certain tenants.',
        response: {
          200: {
            description: 'The audit trail',
            content: { 'application/x-ndjson': { schema: z.string() } },
          },
          default: problemAnswer,
        },
      },
    },
    async (request, reply) => {
      requireUnrestricted(request)
      const lines = exportAudit(audit)
      // Until the first lines are read, a failure can still be answered.
      const first = await lines.next()
      const stream = Readable.from(resumed(first, lines), { objectMode: false })
      stream.on('error', (error) => request.log.error({ err: error }, 'the export of the audit trail failed'))
      // Fastify sends a stream as it is; the schema describes its text.
      return reply.type('application/x-ndjson').send(stream as unknown as string)
    },
  )
}

async function* resumed(first: IteratorResult<string>, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  if (first.done) return
  yield first.value
  yield* rest
}

/** The tenants whose entries are listed; undefined for all. */
function tenantsFor(
  tenant: AuditFilters['tenant'],
  sender: { tenants: readonly string[] | null },
): readonly string[] | undefined {
  if (tenant === undefined) return sender.tenants ?? undefined
  return mayUse(sender, tenant) ? [tenant] : []
}

function toItem({ text, private: personal, hash }: StoredEntry): z.infer<typeof AuditItem> {
  return {
    entry: parsed(EntryView, text),
    private: personal === null ? null : parsed(PrivatePart, personal),
    hash,
  }
}

/** Null if it is damaged. */
function parsed<T extends z.ZodType>(schema: T, text: string): z.infer<T> | null {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

export default fp(auditRoutes, { name: 'audit', ...PROVEN })
