import { PassThrough } from 'node:stream'
import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import { type EventFeed, EventId, type FeedEvent, type Subscriber } from '../revocation/audit/event-feed.ts'
import { mayUse } from '../revocation/tenant-bounds.ts'

const MAX_STREAMS = 50
/** So that one key leaves room for others. Each open page of the dashboard is a stream. */
const MAX_STREAMS_PER_KEY = 30
const RETRY_AFTER_S = 60
/** Proxies and clients close silent connections, and Curfew does after 45 s. */
const KEEP_ALIVE_MS = 15_000
/** Then the client connects again, and its API key is checked again. */
const LONGEST_MS = 10 * 60_000
/** For a client that reads slowly. Beyond that, the stream ends, and the client continues where it was. */
const MAX_UNREAD_BYTES = 1024 * 1024

export interface EventRoutesOptions {
  feed: EventFeed
  /** Whether the audit trail is written. */
  isOn: boolean
  clock: Clock
}

/** `GET /events`: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
const events: FastifyPluginAsyncZod<EventRoutesOptions> = async (app, { feed, isOn, clock }) => {
  app.addHook('preClose', async () => feed.close())

  /** The number of streams of each key. */
  const open = new Map<string, number>()
  /** @returns to be called at the end of the stream */
  const enter = (key: string): (() => void) => {
    const own = open.get(key) ?? 0
    const isFull = [...open.values()].reduce((sum, count) => sum + count, 0) >= MAX_STREAMS
    if (isFull || own >= MAX_STREAMS_PER_KEY)
      throw new CurfewError(
        'CURFEW_OVERLOADED',
        isFull ? 'Too many event streams are open.' : 'Too many event streams of this API key are open.',
        { retryAfterSeconds: RETRY_AFTER_S },
      )
    open.set(key, own + 1)
    return () => {
      const left = (open.get(key) ?? 0) - 1
      if (left > 0) open.set(key, left)
      else open.delete(key)
    }
  }

  app.get(
    '/events',
    {
      config: { senders: ['api-key'], role: 'read', isForOperators: true },
      // It would never end.
      exposeHeadRoute: false,
      schema: {
        tags: ['revocations'],
        security: [{ apiKey: [] }],
        operationId: 'streamEvents',
        summary: 'Stream what happens to revocations',
        description:
          'Server-sent events: the entries of the audit trail about revocations, about a second after they are written, of all ' +
          'replicas. `Last-Event-ID` resumes the stream after that event. An event can be repeated with the same id. A `gap` ' +
          'event means that too many events were missed to be sent. The stream ends after 10 minutes; clients connect again.',
        headers: z.looseObject({
          'last-event-id': EventId.optional().describe('Id of the last event that the client received'),
        }),
        response: {
          200: {
            description: 'The stream',
            content: { 'text/event-stream': { schema: z.string() } },
          },
          default: problemAnswer,
        },
      },
    },
    async (request, reply) => {
      if (!isOn) throw new CurfewError('CURFEW_NO_AUDIT_TRAIL')
      const sender = provenSender(request)
      const leave = enter(sender.fingerprint)
      const stream = new PassThrough()
      const write = (text: string) => {
        if (stream.writableEnded) return
        if (stream.readableLength + stream.writableLength > MAX_UNREAD_BYTES) stream.destroy()
        else stream.write(text)
      }
      const subscriber: Subscriber = {
        onEvents: (some) => {
          const text = some.filter(({ tenant }) => mayUse(sender, tenant)).map(toText)
          if (text.length > 0) write(text.join(''))
        },
        onGap: () => write('event: gap\ndata: {}\n\n'),
        onEnd: () => stream.end(),
      }
      write(': connected\n\n')
      const after = request.headers['last-event-id'] ?? null
      const subscription = feed.subscribe(subscriber, { after, tenants: sender.tenants ?? undefined })
      const stop = await subscription.catch((error) => {
        leave()
        throw error
      })
      const cancelEnd = clock.after(LONGEST_MS, () => stream.end())
      let cancelKeepAlive = () => {}
      const keepAlive = () => {
        cancelKeepAlive = clock.after(KEEP_ALIVE_MS, () => {
          write(':\n\n')
          keepAlive()
        })
      }
      keepAlive()
      stream.once('close', () => {
        leave()
        stop()
        cancelEnd()
        cancelKeepAlive()
      })
      // Fastify sends a stream as it is; the schema describes its text.
      return (
        reply
          .type('text/event-stream')
          // The proxy nginx would collect the events.
          .header('x-accel-buffering', 'no')
          // Otherwise, a client that does not read would delay a shutdown.
          .header('connection', 'close')
          .send(stream as unknown as string)
      )
    },
  )
}

function toText({ id, event, at, ...data }: FeedEvent): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify({ at: new Date(at).toISOString(), ...data })}\n\n`
}

export default fp(events, { name: 'events', ...PROVEN })
