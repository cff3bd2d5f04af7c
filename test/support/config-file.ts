import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import type { Clock } from '../../src/base/clock.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import type { SandboxClient } from '../../src/sandbox/tenant.ts'
import { testClock } from './clock.ts'
import { mistakesOf } from './configuration.ts'
import { temporaryFolder } from './service.ts'

/** A file that the service is configured by, in a folder of its own that goes with the test. */
export interface ConfigurationFile {
  path: string
  /** Writes it anew: an object as JSON, a text as it is. */
  write(content: object | string): void
  /** Writes another file beside it; the answer is its name. */
  beside(name: string, content: string): string
}

export function configurationFile(t: Test, content: object | string): ConfigurationFile {
  const path = join(temporaryFolder(t), 'curfew.json')
  const write = (text: object | string) =>
    writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text))
  write(content)
  return {
    path,
    write,
    beside(name, text) {
      const other = join(dirname(path), name)
      mkdirSync(dirname(other), { recursive: true })
      writeFileSync(other, text)
      return name
    },
  }
}

/** What is wrong with this file, beside an environment that is complete without it. */
export async function mistakesIn(t: Test, content: object | string, changes: Record<string, string> = {}) {
  return mistakesOf({ CONFIG_FILE: configurationFile(t, content).path, ...changes })
}

/** A tenant to be put into a configuration file. */
export interface TenantEntry {
  name: string
  url: string
  clientId: string
  clientSecret: string
}

/** A sandbox of its own as the tenant `name`; it ends with the test. */
export async function sandboxTenant(
  t: Test,
  name: string,
  { now }: Pick<Clock, 'now'> = testClock,
): Promise<{ sandbox: Sandbox; client: SandboxClient; entry: TenantEntry }> {
  const sandbox = await startSandbox({ now })
  t.teardown(() => sandbox.close())
  const client = sandbox.tenant.addClient()
  return { sandbox, client, entry: entryFor(name, sandbox.url, client) }
}

/** A tenant at this address; one that nobody answers at, where it is of no matter. */
export function entryFor(
  name: string,
  url = 'http://127.0.0.1:1',
  { id, secret }: Pick<SandboxClient, 'id' | 'secret'> = {
    id: `client-of-${name}`,
    secret: 'client-secret',
  },
): TenantEntry {
  return { name, url, clientId: id, clientSecret: secret }
}

/** `count` tenants that nobody answers at. */
export function manyEntries(count: number): TenantEntry[] {
  return Array.from({ length: count }, (_, index) => entryFor(`t${index}`))
}
