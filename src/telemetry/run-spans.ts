import { type Context, createContextKey, type Span, TraceFlags, trace } from '@opentelemetry/api'

/** A user may have 20,000 tokens, each of which is a call to Qlik, and a request may have 1,000 users. */
const MAX_SPANS = 200
/** In addition, so that the failures of a long run are visible. */
const MAX_FAILED_SPANS = 50

/** The span of a run, or of a request with several signals, and a limit of the spans that it causes. */
export class RunSpans {
  readonly span: Span
  #left = MAX_SPANS
  #failedLeft = MAX_FAILED_SPANS
  #dropped = 0

  constructor(span: Span) {
    this.span = span
  }

  /** Number of spans that were not kept. */
  get dropped(): number {
    return this.#dropped
  }

  /** Whether one more span is exported. */
  keep(hasFailed: boolean): boolean {
    if (this.#left > 0) this.#left -= 1
    else if (hasFailed && this.#failedLeft > 0) this.#failedLeft -= 1
    else {
      this.#dropped += 1
      return false
    }
    return true
  }
}

const RUN = createContextKey('curfew run')

export function withRun(context: Context, run: RunSpans): Context {
  return context.setValue(RUN, run)
}

/** The run to which work in this context belongs; null if to none. */
export function runIn(context: Context): RunSpans | null {
  const run = context.getValue(RUN)
  return run instanceof RunSpans ? run : null
}

/**
 * Whether the span of this context has ended. Timers and loops keep the context in which they were started, such as that of
 * a request that reloads the configuration; what they do later belongs to no trace.
 */
export function hasOutlived(context: Context): boolean {
  const span = trace.getSpan(context)
  if (!span || span.isRecording()) return false
  const { traceFlags, isRemote } = span.spanContext()
  return !isRemote && (traceFlags & TraceFlags.SAMPLED) !== 0
}
