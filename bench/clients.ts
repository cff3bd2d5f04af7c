import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench } from './support.ts'

export interface BenchClient {
  id: string
  secret: string
}

export function clientsOf(count: number): BenchClient[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `bench-${index}`,
    secret: `of-bench-${index}`,
  }))
}

/** Writes a configuration file with a tenant that has these OAuth clients; returns the environment that uses it. */
export function tenantWith(
  bench: Bench,
  tenantUrl: string,
  clients: readonly BenchClient[],
): Record<string, string> {
  const path = join(bench.folder, 'curfew.json')
  const config = {
    clients: Object.fromEntries(
      clients.map(({ id, secret }) => [id, { clientId: id, clientSecret: secret }]),
    ),
    tenants: [{ name: 'acme', url: tenantUrl, clients: clients.map(({ id }) => id) }],
  }
  writeFileSync(path, JSON.stringify(config))
  return { QLIK_TENANT_URL: '', QLIK_CLIENT_ID: '', QLIK_CLIENT_SECRET: '', CONFIG_FILE: path }
}
