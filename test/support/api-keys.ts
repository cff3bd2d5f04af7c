import type { Test } from 'tap'
import { type ConfigurationFile, configurationFile } from './config-file.ts'
import { type Service, type ServiceOptions, startService } from './service.ts'

/** An API key for a test. */
export const keyOf = (name: string) => `key-of-${name}-0123456789abcdef`

/** The options of a call with this API key. */
export const withKey = (name: string) => ({ headers: { authorization: `Bearer ${keyOf(name)}` } })

/** A service with these API keys in CONFIG_FILE, by name, besides those of the environment. */
export async function startWithKeys(
  t: Test,
  entries: Record<string, object>,
  { environment, ...options }: ServiceOptions = {},
): Promise<Service & { file: ConfigurationFile }> {
  const file = configurationFile(t, { apiKeys: entriesOf(entries) })
  const service = await startService(t, {
    ...options,
    environment: { ...environment, CONFIG_FILE: file.path },
  })
  return { ...service, file }
}

/** The entries of `apiKeys`: each has its name and key, unless it says otherwise. */
export const entriesOf = (entries: Record<string, object>) =>
  Object.entries(entries).map(([name, entry]) => ({ name, key: keyOf(name), ...entry }))
