import type { Test } from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { type CollectedSpan, type Collector, startCollector } from '../support/collector.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { databaseUrl, environmentFor } from '../support/service.ts'

/** The variables for a collector. Batches are sent soon, so that tests need not wait for the end of the process. */
export function telemetryTo(url: string): Record<string, string> {
  return { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: '50' }
}

export interface TracedService {
  collector: Collector
  sandbox: Awaited<ReturnType<typeof startSandbox>>
  environment: Record<string, string>
  start(more?: Record<string, string>): Promise<ServiceProcess>
  userWithTokens(count: number, email?: string): string
}

/** A collector, a tenant and a database file for processes with telemetry. */
export async function setUpTracing(t: Test, more: Record<string, string> = {}): Promise<TracedService> {
  const collector = await startCollector(t)
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  const environment = environmentFor(sandbox, sandbox.tenant.addClient(), databaseUrl(t), {
    ...telemetryTo(collector.url),
    ...more,
  })
  return {
    collector,
    sandbox,
    environment,
    start: (own = {}) => startProcess(t, { ...environment, ...own }),
    userWithTokens(count, email) {
      const { id } = sandbox.tenant.addUser(email === undefined ? {} : { email })
      sandbox.tenant.issueTokens(id, count)
      return id
    },
  }
}

export function named(spans: readonly CollectedSpan[], name: string): CollectedSpan[] {
  return spans.filter((span) => span.name === name)
}

/** The only span with this name. */
export function sole(spans: readonly CollectedSpan[], name: string): CollectedSpan {
  const [span, ...others] = named(spans, name)
  if (!span || others.length > 0)
    throw new Error(`expected one span ${name}, got ${named(spans, name).length}`)
  return span
}

/** For `Collector.until`: whether there are this many spans with this name. */
export const atLeast =
  (count: number, name: string) =>
  (spans: readonly CollectedSpan[]): boolean =>
    named(spans, name).length >= count
