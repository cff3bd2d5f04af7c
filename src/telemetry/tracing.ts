import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { CurfewError } from '../base/errors.ts'
import { VERSION } from '../base/version.ts'
import { nameOf, type Origin } from '../revocation/origin.ts'
import type { Revocation } from '../revocation/revocation.ts'
import type { Signal } from '../revocation/signal.ts'
import type { Accepted } from '../revocation/store.ts'
import type { RunOutcome, Tracing } from '../revocation/tracing.ts'
import { SENDER } from './exported-spans.ts'
import { traceParentOf } from './propagator.ts'
import { hasOutlived, RunSpans, runIn, withRun } from './run-spans.ts'

/**
 * Spans after the semantic conventions for messaging: the queue of revocations is the destination, a revocation is the
 * message, and its `traceparent` the creation context. Accepting is a producer; each run is a consumer and a child of the
 * accept, so that one trace shows everything. The revocations of a request with several signals have a trace each.
 */
export const tracing: Tracing = {
  async accept(signals, origin, work) {
    const around = hasOutlived(context.active()) ? ROOT_CONTEXT : context.active()
    noteSender(origin)
    const span = start('accept', SpanKind.PRODUCER, around, {
      'messaging.operation.type': 'send',
      [SENDER]: nameOf(origin),
      ...(signals.length === 1
        ? signalAttributes(signals[0])
        : { 'messaging.batch.message_count': signals.length }),
    })
    const several = new RunSpans(span)
    const created = signals.length === 1 ? [span] : signals.map((signal) => startCreate(signal, several))
    const traced = signals.map((signal, index) => ({ ...signal, traceparent: traceparentOf(created[index]) }))
    return inSpan(trace.setSpan(around, span), span, async () => {
      const accepted = await work(traced)
      noteAccepted(span, created, accepted)
      noteDropped(several)
      return accepted
    })
  },

  async run(kind, revocation, work) {
    const parent = revocation.traceparent === null ? null : traceParentOf(revocation.traceparent)
    if (!parent) return context.with(ROOT_CONTEXT, work)
    const around = trace.setSpanContext(ROOT_CONTEXT, parent)
    const span = start(kind, SpanKind.CONSUMER, around, runAttributes(revocation))
    const run = new RunSpans(span)
    await inSpan(withRun(trace.setSpan(around, span), run), span, async () => {
      await work()
      noteDropped(run)
    })
  },

  noteOutcome(outcome) {
    const run = runIn(context.active())
    if (run) noteOutcome(run.span, outcome)
  },

  detached: (work) => context.with(ROOT_CONTEXT, work),
}

function start(operation: string, kind: SpanKind, parent: Context, attributes: Attributes): Span {
  const tracer = trace.getTracer('curfew', VERSION)
  const destination = { 'messaging.system': 'curfew', 'messaging.destination.name': 'revocations' }
  const name = { 'messaging.operation.name': operation }
  return tracer.startSpan(
    `${operation} revocations`,
    { kind, attributes: { ...destination, ...name, ...attributes } },
    parent,
  )
}

/** The root of the trace of one of several signals, linked to the request that brought them, which limits their number. */
function startCreate(signal: Signal, request: RunSpans): Span {
  const span = start('create', SpanKind.PRODUCER, withRun(ROOT_CONTEXT, request), {
    'messaging.operation.type': 'create',
    ...signalAttributes(signal),
  })
  return span.addLink({ context: request.span.spanContext() })
}

function signalAttributes(signal: Signal | undefined): Attributes {
  return signal
    ? { 'curfew.tenant': signal.tenant, 'curfew.source': signal.source, 'curfew.reason': signal.reason }
    : {}
}

function runAttributes(revocation: Revocation): Attributes {
  return {
    'messaging.operation.type': 'process',
    'messaging.message.id': revocation.id,
    'curfew.attempt': revocation.attempts,
    ...signalAttributes(revocation),
  }
}

/** Runs `work`, then ends the span. */
async function inSpan<T>(around: Context, span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await context.with(around, work)
  } catch (error) {
    fail(span, error instanceof CurfewError ? error.code : error instanceof Error ? error.name : 'unknown')
    throw error
  } finally {
    span.end()
  }
}

function fail(span: Span, code: string): void {
  span.setAttribute('error.type', code)
  span.setStatus({ code: SpanStatusCode.ERROR })
}

/** The route of a source proves its sender after the request has begun. */
function noteSender(origin: Origin): void {
  trace.getActiveSpan()?.setAttribute(SENDER, nameOf(origin))
}

/**
 * Ends the spans of the single signals, except those of a repeated request, which created nothing. A signal that joined a
 * revocation is linked to the trace of that revocation.
 */
function noteAccepted(request: Span, created: readonly Span[], { revocations, replayed }: Accepted): void {
  if (replayed) request.setAttribute('curfew.replayed', true)
  for (const [index, span] of created.entries()) {
    const revocation = revocations[index]
    if (!revocation) continue
    if (span === request || !replayed) noteRevocation(span, revocation)
    if (span !== request && !replayed) span.end()
  }
}

function noteRevocation(span: Span, { id, status, traceparent }: Revocation): void {
  span.setAttributes({ 'messaging.message.id': id, 'curfew.status': status })
  const parent = traceparent === null ? null : traceParentOf(traceparent)
  if (parent && parent.spanId !== span.spanContext().spanId) span.addLink({ context: parent })
}

function noteDropped({ span, dropped }: RunSpans): void {
  if (dropped > 0) span.setAttribute('curfew.spans.dropped', dropped)
}

/** Null if the span is not sampled: then nothing about its signal is recorded later either. */
function traceparentOf(span: Span | undefined): string | null {
  const { traceId, spanId, traceFlags } = span?.spanContext() ?? { traceFlags: TraceFlags.NONE }
  return traceFlags & TraceFlags.SAMPLED ? `00-${traceId}-${spanId}-01` : null
}

function noteOutcome(span: Span, { status, outcome, verified, tokens, code }: RunOutcome): void {
  span.setAttribute('curfew.status', status)
  if (outcome) span.setAttribute('curfew.outcome', outcome)
  if (verified !== undefined) span.setAttribute('curfew.verified', verified)
  if (tokens) {
    span.setAttributes({
      'curfew.tokens.revoked': tokens.revoked,
      'curfew.tokens.already_gone': tokens.alreadyGone,
      'curfew.tokens.kept': tokens.kept,
      'curfew.tokens.remaining': tokens.remaining,
    })
  }
  if (code !== undefined) fail(span, code)
}
