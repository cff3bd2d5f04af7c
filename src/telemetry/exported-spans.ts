import { type Attributes, type Context, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace-node'
import { hasOutlived, type RunSpans, runIn } from './run-spans.ts'

/** Name of the attribute with the authenticated sender. */
export const SENDER = 'curfew.sender'

/**
 * The only attributes that leave the process, apart from Curfew's own. URLs, headers, bodies and messages of errors may
 * contain user ids, e-mail addresses and secrets, whatever a new version of an instrumentation records.
 */
const ALLOWED: ReadonlySet<string> = new Set([
  'http.request.method',
  'http.response.status_code',
  'http.route',
  'url.template',
  'server.address',
  'server.port',
  'error.type',
  'db.system.name',
  'db.namespace',
  'db.operation.name',
  'db.query.text',
])
const OWN = ['curfew.', 'messaging.']

/** The beginning says which statement it is. */
const MAX_VALUE_LENGTH = 300

/**
 * Passes spans on to the exporter: without attributes that may be personal, without requests of unauthenticated senders,
 * without work that outlives its request, and with a limit for each run.
 */
export class ExportedSpans implements SpanProcessor {
  readonly #next: SpanProcessor
  readonly #runs = new WeakMap<object, RunSpans>()
  readonly #late = new WeakSet<object>()

  constructor(next: SpanProcessor) {
    this.#next = next
  }

  onStart(span: Span, context: Context): void {
    const run = runIn(context)
    if (run) this.#runs.set(span, run)
    if (hasOutlived(context)) this.#late.add(span)
    this.#next.onStart(span, context)
  }

  onEnd(span: ReadableSpan): void {
    // @fastify/otel always adds one to answers with 404.
    if (span.kind === SpanKind.INTERNAL || this.#late.has(span)) return
    // Anyone can send a request, and with `traceparent` choose its trace.
    if (span.kind === SpanKind.SERVER && span.attributes[SENDER] === undefined) return
    const run = this.#runs.get(span)
    if (run && !run.keep(span.status.code === SpanStatusCode.ERROR)) return
    this.#next.onEnd(exported(span))
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush()
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown()
  }
}

/** A span without what may be personal: see `ALLOWED`. Events are omitted, because they contain messages of errors. */
export function exported(span: ReadableSpan): ReadableSpan {
  return {
    name: span.name,
    kind: span.kind,
    spanContext: () => span.spanContext(),
    ...(span.parentSpanContext ? { parentSpanContext: span.parentSpanContext } : {}),
    startTime: span.startTime,
    endTime: span.endTime,
    status: { code: statusOf(span) },
    attributes: allowed(span.attributes),
    links: span.links,
    events: [],
    duration: span.duration,
    ended: span.ended,
    resource: span.resource,
    instrumentationScope: span.instrumentationScope,
    droppedAttributesCount: span.droppedAttributesCount,
    droppedEventsCount: span.droppedEventsCount,
    droppedLinksCount: span.droppedLinksCount,
  }
}

/** A rejected request is no error of the server (semantic conventions for HTTP spans, "Status"). */
function statusOf({ kind, status, attributes }: ReadableSpan): SpanStatusCode {
  const code = attributes['http.response.status_code']
  const isRejection = kind === SpanKind.SERVER && typeof code === 'number' && code < 500
  return isRejection ? SpanStatusCode.UNSET : status.code
}

function allowed(attributes: Attributes): Attributes {
  const kept: Attributes = {}
  for (const name in attributes) {
    const value = attributes[name]
    if (OWN.some((prefix) => name.startsWith(prefix)) || ALLOWED.has(name))
      kept[name] = typeof value === 'string' ? value.slice(0, MAX_VALUE_LENGTH) : value
  }
  return kept
}
