import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import type { Clock } from '../../src/base/clock.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import type { SandboxClient } from '../../src/sandbox/tenant.ts'
import { testClock } from './clock.ts'
import { mistakesOf } from './configuration.ts'
import { temporaryFolder } from './service.ts'

/** A CONFIG_FILE in a temporary folder, deleted with the test. */
export interface ConfigurationFile {
  path: string
  /** Overwrites the file: an object as JSON, a string as it is. */
  write(content: object | string): void
  /** Writes another file next to it and returns its name. */
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

/** The mistakes in this file, with an otherwise complete environment. */
export async function mistakesIn(t: Test, content: object | string, changes: Record<string, string> = {}) {
  return mistakesOf({ CONFIG_FILE: configurationFile(t, content).path, ...changes })
}

/** A tenant for a configuration file. */
export interface TenantEntry {
  name: string
  url: string
  clientId: string
  clientSecret: string
}

/** Starts a sandbox as the tenant `name`. It closes with the test. */
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

/** A tenant at this URL. At the default URL nothing listens. */
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

/** `count` tenants at URLs where nothing listens. */
export function manyEntries(count: number): TenantEntry[] {
  return Array.from({ length: count }, (_, index) => entryFor(`t${index}`))
}
