import { CurfewError } from '../base/errors.ts'
import type { TelemetryPart, Variables } from './telemetry.ts'

/** The part, as a line of `parts.ts`. */
export const telemetry: TelemetryPart = {
  start: async (environment) => (isOn(environment) ? (await import('./start.ts')).startTelemetry() : null),
}

const ENDPOINTS = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
const PROTOCOLS = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']
const PROTOCOL = 'http/protobuf'

/**
 * Whether the standard variables of OpenTelemetry ask for traces: an endpoint, or OTEL_TRACES_EXPORTER. An empty variable
 * counts as not set (OpenTelemetry specification, "Environment variable specification"). Pure.
 * @throws CURFEW_CONFIG_INVALID for another exporter than `otlp`, or another protocol than `http/protobuf`
 */
export function isOn(environment: Variables): boolean {
  const given = (key: string) => environment[key]?.trim() || null
  if (given('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false
  const exporter = given('OTEL_TRACES_EXPORTER')
  if (exporter === 'none') return false
  if (exporter === null && !ENDPOINTS.some(given)) return false
  if (exporter !== null && exporter !== 'otlp')
    throw unsupported('OTEL_TRACES_EXPORTER', exporter, 'otlp or none')
  const key = PROTOCOLS.find(given)
  const protocol = key && given(key)
  if (key && protocol && protocol !== PROTOCOL) throw unsupported(key, protocol, PROTOCOL)
  return true
}

function unsupported(key: string, value: string, expected: string): CurfewError {
  return new CurfewError(
    'CURFEW_CONFIG_INVALID',
    `${key}: ${JSON.stringify(value.slice(0, 40))} is not supported; expected ${expected}.`,
  )
}
