import { type TextMapPropagator, TraceFlags, trace } from '@opentelemetry/api'
import { parseTraceParent } from '@opentelemetry/core'

const HEADER = 'traceparent'

/** Without `tracestate`: it belongs to the sender's vendor, and would be stored and sent for nothing. */
export function traceParentOf(text: string) {
  const parsed = parseTraceParent(text)
  return parsed && { ...parsed, traceFlags: parsed.traceFlags & TraceFlags.SAMPLED, isRemote: true }
}

/**
 * Reads `traceparent` of requests (W3C Trace Context, section 3.2), and sends nothing: Qlik Cloud and identity providers are
 * third parties. `tracestate` and `baggage` are ignored.
 */
export const incomingOnly: TextMapPropagator = {
  inject: () => {},
  extract(context, carrier, getter) {
    const header = getter.get(carrier, HEADER)
    const parent = typeof header === 'string' ? traceParentOf(header) : null
    return parent ? trace.setSpanContext(context, parent) : context
  },
  fields: () => [HEADER],
}
