import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CurfewError } from '../base/errors.ts'
import { PROVEN, provenSender, requireUnrestricted } from '../http/authenticate.ts'
import { flag } from '../http/flag.ts'
import { originOf } from '../http/origin-of.ts'
import { problemAnswer } from '../http/problems.ts'
import { queryTime } from '../http/query-time.ts'
import { operatorEvent } from '../revocation/audit/events.ts'
import type { Recorder } from '../revocation/audit/recorder.ts'
import { uuidv7 } from '../revocation/id.ts'
import { NotificationStatus, NotificationType, ReceiverName, TEST_TYPE } from '../revocation/notification.ts'
import type { Outbox } from '../revocation/outbox.ts'
import type { NotificationStore } from '../revocation/store/notification-store.ts'
import { mayUse } from '../revocation/tenant-bounds.ts'
import type { Deliveries } from './deliveries.ts'
import { NotificationView, notificationView, ReceiverView, receiverView, removedView } from './views.ts'

export interface NotificationRoutesOptions {
  store: NotificationStore
  outbox: Outbox
  recorder: Pick<Recorder, 'note'>
  /** `steadyNow`. */
  now: () => number
  /** Null until there are receivers. */
  deliveries: () => Deliveries | null
}

/** Failed notifications are sent again by up to this many per request: each is a row of one transaction. */
const MOST_REDELIVERED = 1_000

const Name = ReceiverName.describe('Name of the receiver')
const Filters = z.strictObject({
  receiver: Name.optional().describe('Only notifications of this receiver'),
  status: NotificationStatus.optional().describe('Only notifications in this state'),
  type: NotificationType.optional().describe('Only notifications of this type'),
  revocation: z
    .uuid('expected the id of a revocation')
    .optional()
    .describe('Only notifications about this revocation'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Page size'),
  cursor: z
    .uuid('expected the nextCursor of the previous page')
    .optional()
    .describe('`nextCursor` of the previous page'),
})

const Page = z.object({ items: z.array(NotificationView), nextCursor: z.uuid().nullable() })
const RedeliverBody = z.strictObject({
  receiver: Name,
  since: queryTime.describe('Only those that happened at or after this time (ISO 8601)'),
})
const RedeliverQuery = z.strictObject({
  dryRun: flag.describe('Report how many would be sent again, up to 10,000, and change nothing'),
})
const count = z.number().int().min(0)
const Redelivered = z.object({
  redelivered: count,
  more: z.boolean().describe('Whether there may be more: repeat the request'),
  dryRun: z.boolean(),
})
const Tried = z.object({
  delivered: z.boolean(),
  httpStatus: count.nullable().describe('Of the response; null if there was none'),
  code: z.string().nullable().describe('Why it failed'),
})

const shared = { tags: ['notifications'], security: [{ apiKey: [] }] }
const reading = { senders: ['api-key'], role: 'read', isForOperators: true } as const
const operating = { senders: ['api-key'], role: 'operate', isForOperators: true } as const

/** The routes about notifications and their receivers. */
export function notificationRoutes({ store, outbox, recorder, now, deliveries }: NotificationRoutesOptions) {
  const isConfigured = (name: string) => outbox.receivers().some((one) => one.name === name)
  const requireConfigured = (name: string) => {
    if (!isConfigured(name)) throw new CurfewError('CURFEW_UNKNOWN_RECEIVER')
  }

  const plugin: FastifyPluginAsyncZod = async (app) => {
    app.get(
      '/notifications',
      {
        config: reading,
        schema: {
          ...shared,
          operationId: 'listNotifications',
          summary: 'List notifications, newest first',
          description:
            'An API key that is restricted to tenants sees only notifications about these tenants. A page can have fewer items ' +
            'than `limit`, even none, if there are more: `nextCursor` is null on the last page.',
          querystring: Filters,
          response: { 200: Page.describe('A page'), default: problemAnswer },
        },
      },
      async (request) => {
        const tenants = provenSender(request).tenants ?? undefined
        const { items, nextCursor } = await store.list({ ...request.query, tenants })
        return { items: items.map(notificationView), nextCursor }
      },
    )

    app.post(
      '/notifications/:id/redeliver',
      {
        config: operating,
        schema: {
          ...shared,
          operationId: 'redeliverNotification',
          summary: 'Send a notification again',
          description:
            'Whatever its state, and with the same `webhook-id`. It is retried for three days again. One that is being sent, ' +
            'or is due within a minute, is left as it is.',
          params: z.object({ id: z.uuid('expected the id of a notification') }),
          response: { 200: NotificationView.describe('It is due now'), default: problemAnswer },
        },
      },
      async (request) => {
        const { id } = request.params
        const found = await store.get(id)
        const { tenants } = provenSender(request)
        const isVisible =
          found && (found.tenant === null ? tenants === null : mayUse({ tenants }, found.tenant))
        if (!isVisible) throw new CurfewError('CURFEW_UNKNOWN_NOTIFICATION')
        const { receiver, tenant, revocation } = found
        requireConfigured(receiver)
        if (await store.redeliver(id, now())) {
          const event = operatorEvent('redelivered', { receiver, notification: id }, originOf(request))
          recorder.note({ ...event, tenant, revocation })
        }
        const changed = await store.get(id)
        deliveries()?.wake([receiver])
        // Erased in the meantime.
        if (!changed) throw new CurfewError('CURFEW_UNKNOWN_NOTIFICATION')
        return notificationView(changed)
      },
    )

    app.post(
      '/notifications/redeliver',
      {
        config: operating,
        schema: {
          ...shared,
          operationId: 'redeliverNotifications',
          summary: 'Send all failed notifications of a receiver again',
          description:
            'Up to 1,000 per request. Requires an API key that is not restricted to certain tenants.',
          querystring: RedeliverQuery,
          body: RedeliverBody,
          response: { 200: Redelivered.describe('They are due now'), default: problemAnswer },
          'x-facts': {
            examples: {
              all: { summary: 'Everything that failed', value: { receiver: 'siem' } },
              since: {
                summary: 'What failed since a time',
                value: { receiver: 'siem', since: '2026-11-27T12:00:00Z' },
              },
            },
          },
        },
      },
      async (request) => {
        requireUnrestricted(request)
        const { receiver, since } = request.body
        const { dryRun } = request.query
        requireConfigured(receiver)
        const query = { receiver, since: since === undefined ? 0 : Date.parse(since) }
        if (dryRun) return { redelivered: await store.countFailed(query), more: false, dryRun }
        const redelivered = await store.redeliverFailed(query, now(), MOST_REDELIVERED)
        recorder.note(operatorEvent('redelivered', { receiver, count: redelivered }, originOf(request)))
        deliveries()?.wake([receiver])
        return { redelivered, more: redelivered === MOST_REDELIVERED, dryRun }
      },
    )

    app.get(
      '/receivers',
      {
        config: reading,
        schema: {
          ...shared,
          operationId: 'listReceivers',
          summary: 'List the receivers of notifications, and what waits for them',
          description: 'Requires an API key that is not restricted to certain tenants.',
          response: {
            200: z.object({ items: z.array(ReceiverView) }).describe('The receivers'),
            default: problemAnswer,
          },
        },
      },
      async (request) => {
        requireUnrestricted(request)
        const backlog = await store.backlog()
        const of = (name: string) => backlog.find(({ receiver }) => receiver === name)
        const configured = outbox
          .receivers()
          .map((one) => receiverView(one, deliveries()?.healthOf(one.name) ?? null, of(one.name)))
        const removed = backlog.filter(({ receiver }) => !isConfigured(receiver)).map(removedView)
        return { items: [...configured, ...removed] }
      },
    )

    app.post(
      '/receivers/:name/test',
      {
        config: operating,
        schema: {
          ...shared,
          operationId: 'testReceiver',
          summary: 'Send a receiver a test message',
          description:
            `Sends a signed message of the type \`${TEST_TYPE}\` once, and reports the response. Requires an API key that is not ` +
            'restricted to certain tenants.',
          params: z.object({ name: Name }),
          response: { 200: Tried.describe('What the receiver responded'), default: problemAnswer },
        },
      },
      async (request) => {
        requireUnrestricted(request)
        const { name } = request.params
        const at = now()
        const data = JSON.stringify({ receiver: name })
        const sent = await deliveries()?.try(name, { id: uuidv7(at), type: TEST_TYPE, at, data })
        if (!sent) throw new CurfewError('CURFEW_UNKNOWN_RECEIVER')
        return { delivered: sent.ok, httpStatus: sent.httpStatus, code: sent.ok ? null : sent.code }
      },
    )
  }

  return fp(plugin, { name: 'notifications', ...PROVEN })
}
