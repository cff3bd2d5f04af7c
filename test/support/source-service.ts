import type { Test } from 'tap'
import { configurationFile } from './config-file.ts'
import { type Reply, type Service, type ServiceOptions, startService } from './service.ts'

/** The service with sources that a test can replace. */
export interface SourceService extends Service {
  /** Writes other sources to the configuration file and reloads it. */
  configure(sources: readonly object[]): Promise<Reply>
}

export interface SourceServiceOptions extends ServiceOptions {
  tenants?: readonly object[]
  receivers?: readonly object[]
}

export async function startWithSources(
  t: Test,
  sources: readonly object[],
  { tenants = [], receivers = [], ...options }: SourceServiceOptions = {},
): Promise<SourceService> {
  const rest = { tenants, receivers, receiverNetworks: ['127.0.0.1'] }
  const file = configurationFile(t, { ...rest, sources })
  const environment = { CONFIG_FILE: file.path, ...options.environment }
  const service = await startService(t, { ...options, environment })
  return {
    ...service,
    configure(others) {
      file.write({ ...rest, sources: others })
      return service.call('POST', '/config/reload')
    },
  }
}
