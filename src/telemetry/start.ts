import { context, diag, propagation, trace } from '@opentelemetry/api'
import { setGlobalErrorHandler } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { FastifyInstance } from 'fastify'
import { VERSION } from '../base/version.ts'
import { traceCalls } from './calls.ts'
import { ExportedSpans } from './exported-spans.ts'
import { Problems } from './problems.ts'
import { incomingOnly } from './propagator.ts'
import { instrumentRequests } from './requests.ts'
import type { Telemetry } from './telemetry.ts'
import { tracing } from './tracing.ts'

/** How long the end of the process waits for the collector. */
const LAST_SPANS_MS = 2_000

/**
 * Starts OpenTelemetry's SDK, which reads its variables itself: endpoint, headers, certificates, sampler, limits, batches,
 * and the attributes of the resource. Modules of pg that are imported later are instrumented.
 */
export function startTelemetry(): Telemetry {
  const problems = new Problems()
  diag.setLogger(problems.diag)
  setGlobalErrorHandler(problems.exportFailed)
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': 'curfew', 'service.version': VERSION }))
    .merge(detectResources({ detectors: [envDetector] }))
  const provider = new NodeTracerProvider({
    resource,
    spanProcessors: [new ExportedSpans(new BatchSpanProcessor(new OTLPTraceExporter()))],
  })
  provider.register({ propagator: incomingOnly })
  const calls = traceCalls()
  const statements = new PgInstrumentation({ requireParentSpan: true, ignoreConnectSpans: true })
  let stopRequests = () => {}
  return {
    tracing,
    logFields,
    async instrument(app: FastifyInstance) {
      problems.writeTo(app.log)
      stopRequests = await instrumentRequests(app)
    },
    async stop() {
      stopRequests()
      calls.disable()
      statements.disable()
      await within(LAST_SPANS_MS, provider.shutdown().catch(problems.exportFailed))
      for (const api of [trace, context, propagation, diag]) api.disable()
    },
  }
}

/** After the OpenTelemetry specification, "Trace Context in non-OTLP Log Formats". */
function logFields(): object {
  const span = trace.getActiveSpan()
  if (!span?.isRecording()) return {}
  const { traceId, spanId } = span.spanContext()
  return { trace_id: traceId, span_id: spanId, trace_flags: '01' }
}

function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  return Promise.race([work, promise]).finally(() => clearTimeout(timer))
}
