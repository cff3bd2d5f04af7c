// Runs as a separate process with --expose-gc: reloads the configuration of a service, and reports
// how much the heap grew. The argument is the number of reloads: 5,000 by default.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { parts } from '../../src/parts.ts'

const WARM_UP = 300
const RELOADS = Number(process.argv[2] ?? 5_000)

const folder = mkdtempSync(join(tmpdir(), 'curfew-reloads-'))
const file = join(folder, 'config.json')
const environment = {
  QLIK_TENANT_URL: 'http://127.0.0.1:1',
  QLIK_CLIENT_ID: 'client',
  QLIK_CLIENT_SECRET: 'client-secret',
  CONFIG_FILE: file,
  DATABASE_URL: `sqlite:${join(folder, 'curfew.db')}`,
  LOG_LEVEL: 'silent',
}

/** Every second reload changes a source and a key, and every fourth one is invalid. */
function write(index: number): void {
  const content = {
    sources: [
      {
        kind: 'oidc-back-channel-logout',
        name: 'op',
        issuer: 'https://op.example',
        audience: `client-${Math.floor(index / 2) % 2}`,
      },
    ],
    apiKeys: [{ key: `an-api-key-0123456789abcdef-${Math.floor(index / 2)}` }],
  }
  writeFileSync(file, index % 4 === 3 ? '{ "apiKeys": [{ "key": "short" }] }' : JSON.stringify(content))
}

function heapBytes(): number {
  if (!globalThis.gc) throw new Error('Run with --expose-gc.')
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

write(0)
const load = () => loadConfig(environment, parts.sources)
const app = await buildApp(await load(), { parts, load })
let before = 0
for (let index = 0; index < WARM_UP + RELOADS; index += 1) {
  if (index === WARM_UP) before = heapBytes()
  write(index)
  await app.reloadConfig().catch(() => {})
}
const grownBytes = heapBytes() - before
await app.close()
rmSync(folder, { recursive: true })
process.stdout.write(JSON.stringify({ reloads: RELOADS, grownBytes }))
