import { FastifyOtelInstrumentation } from '@fastify/otel'
import { trace } from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'
import { SENDER } from './exported-spans.ts'

/** Without sender, or with others on the page: probes, documentation, and the dashboard, which calls the API. */
const IGNORED_PATHS = /^\/(health|metrics|docs|openapi|dashboard)\b/

/**
 * Adds a server span to each request, which continues the trace of `traceparent`. Only one span: those of hooks and
 * handlers would show Curfew's structure instead of its work, and cost more than the accept itself.
 */
export async function instrumentRequests(app: FastifyInstance): Promise<() => void> {
  const instrumentation = new FastifyOtelInstrumentation({
    instrumentHooks: false,
    instrumentHandler: false,
    recordExceptions: false,
    ignorePaths: ({ url }) => IGNORED_PATHS.test(url),
    requestHook: (span, { method, routeOptions }) =>
      span.updateName(`${method} ${routeOptions.url ?? ''}`.trimEnd()),
  })
  await app.register(instrumentation.plugin())
  app.addHook('onSend', async ({ sender }) => {
    if (sender) trace.getActiveSpan()?.setAttribute(SENDER, `${sender.kind} ${sender.name}`)
  })
  return () => instrumentation.disable()
}
