import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config/load-config.ts'
import { parts } from '../src/parts.ts'
import { START_FLAGS } from '../test/support/start-flags.ts'
import { type Bench, type Child, serviceEnvironment, startChild } from './support.ts'

const Origins = z.tuple([z.string()], z.string())

/** The name of the tenant at this index. */
export const tenantName = (index: number) => `tenant-${index}`

/** Starts replicas of the service that share a database and have the same tenants. */
export async function startReplicas(
  bench: Bench,
  count: number,
  origins: string[],
  environment: Record<string, string>,
): Promise<Child[]> {
  const file = join(bench.folder, 'origins.json')
  writeFileSync(file, JSON.stringify(origins))
  const replicas: Child[] = []
  for (let index = 0; index < count; index += 1) {
    const child = startChild(bench, 'bench/replica.ts', {
      args: [file],
      environment: serviceEnvironment(bench, String(origins[0]), environment),
      nodeFlags: START_FLAGS,
    })
    replicas.push(await child)
  }
  return replicas
}

if (import.meta.main) {
  const [first, ...others] = Origins.parse(JSON.parse(readFileSync(String(process.argv[2]), 'utf8')))
  const config = await loadConfig(process.env)
  const [tenant] = config.tenants
  const app = await buildApp(
    {
      ...config,
      tenants: [
        { ...tenant, origin: first, name: tenantName(0) },
        ...others.map((origin, index) => ({ ...tenant, origin, name: tenantName(index + 1) })),
      ],
    },
    { parts },
  )
  const url = await app.listen({ host: config.host, port: config.port })
  process.once('SIGTERM', async () => {
    await app.close()
    process.exit(0)
  })
  process.send?.({ url })
}
