import type { FastifyInstance } from 'fastify'
import type { Tracing } from '../revocation/tracing.ts'

/** Traces of this process, sent to an OpenTelemetry collector. */
export interface Telemetry {
  tracing: Tracing
  /** Adds a span to each request. Must be registered before any route and any other hook. */
  instrument(app: FastifyInstance): Promise<void>
  /** `trace_id`, `span_id` and `trace_flags` of the current span, for log lines; none outside a sampled trace. */
  logFields(): object
  /** Sends what is left, for at most 2 s. */
  stop(): Promise<void>
}

/** Variables of the process. */
export type Variables = Readonly<Record<string, string | undefined>>

export interface TelemetryPart {
  /**
   * Starts telemetry if the variables ask for it. Must run before the store is opened, so that its statements are traced.
   * @returns null if the variables do not ask for it: then OpenTelemetry's SDK is not loaded
   * @throws CURFEW_CONFIG_INVALID if the variables ask for something that Curfew does not support
   */
  start(environment: Variables): Promise<Telemetry | null>
}
