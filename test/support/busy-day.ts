import { DatabaseSync } from 'node:sqlite'
import type { Test } from 'tap'
import { lowestIdAt } from '../../src/revocation/id.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { COLUMNS, toValues } from '../../src/stores/rows.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { entriesOf, keyOf, withKey } from './api-keys.ts'
import { fakeClock } from './clock.ts'
import { configurationFile, entryFor } from './config-file.ts'
import { databaseUrl, type Service, startService } from './service.ts'
import { aSignal } from './signals.ts'

export const NOW = Date.UTC(2026, 10, 28, 12, 40, 20)
const MINUTE_MS = 60_000
const DAY_MINUTES = 24 * 60
const NAMES = ['ann', 'ben', 'cleo', 'dana', 'emil', 'finn', 'gwen', 'hugo', 'iris', 'jan', 'kim', 'lea']
export const OPERATOR = 'on-call'

/** A service with the traces of a day, and a tenant whose budget is used up. Its clock stands still. */
export async function busyDay(t: Test): Promise<{ service: Service; apiKey: string; id: string }> {
  const clock = fakeClock(NOW)
  const url = databaseUrl(t)
  const id = await fill(url.replace('sqlite:', ''))
  const sandbox = await startSandbox({ now: clock.now })
  t.teardown(() => sandbox.close())
  const client = sandbox.tenant.addClient({ id: 'qlik-client-eu' })
  const acme = sandbox.tenant.addClient({ id: 'qlik-client-acme' })
  const { path } = configurationFile(t, {
    tenants: [{ ...entryFor('acme', sandbox.url, acme), tier2Limit: 10 }],
    apiKeys: entriesOf({
      portal: { roles: ['signal'] },
      crm: { roles: ['signal'], tenants: ['acme'], expiresAt: '2026-12-04T09:00:00Z' },
      [OPERATOR]: { roles: ['read', 'operate'] },
    }),
    sources: [
      { name: 'login', kind: 'oidc-back-channel-logout', issuer: sandbox.url, audience: 'web' },
      { name: 'users', kind: 'clerk', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
    ],
  })
  const service = await startService(t, {
    share: { sandbox, client, clock },
    environment: { CONFIG_FILE: path, DATABASE_URL: url, API_KEYS: '', WEBHOOK_SECRETS: '' },
  })
  await use(service)
  return { service, apiKey: keyOf(OPERATOR), id }
}

/** Verified revocations, more of them by day, and some that failed. */
async function fill(path: string): Promise<string> {
  await openSqliteStore(path).close()
  const database = new DatabaseSync(path)
  const columns = COLUMNS.join(', ')
  const insert = database.prepare(
    `INSERT INTO revocations (${columns}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
  )
  database.exec('BEGIN')
  let index = 1
  for (let minute = 1; minute < DAY_MINUTES; minute += 1) {
    const at = NOW - minute * MINUTE_MS
    const hour = new Date(at).getUTCHours()
    const count = Math.round(
      (hour > 5 && hour < 19 ? 6 : 1) * (1 + Math.sin(minute / 17)) * (1 + ((minute * 7) % 5) / 5),
    )
    for (let nth = 0; nth < count; nth += 1) insert.run(...toValues(revocation(index + nth, at + nth * 900)))
    index += count
  }
  database.exec('COMMIT')
  database.close()
  return idOf(NOW - MINUTE_MS, 1)
}

/** Ids that are the same each time. */
const idOf = (at: number, index: number) =>
  `${lowestIdAt(at).slice(0, 14)}7000-8000-${String(index).padStart(12, '0')}`

function revocation(index: number, at: number): Revocation {
  const name = NAMES[(index * 7) % NAMES.length]
  const hour = new Date(at).getUTCHours()
  const took = hour === 9 ? 400_000 + (index % 90) * 20_000 : 5_200 + ((index * 37) % 90) ** 2 * 3
  const user = { kind: 'email', value: `${name}${index % 97}@example.com` } as const
  const base = {
    ...newRevocation(
      idOf(at, index),
      aSignal({
        user,
        source: 'api',
        occurredAt: at,
        acceptedAt: at,
        tenant: index % 4 === 1 ? 'acme' : 'default',
      }),
    ),
    ...{
      sender: 'api-key portal',
      attempts: 1,
      startedAt: at,
      completedAt: at + took - 5_000,
      verificationDueAt: null,
    },
  }
  if (index % 900 === 41)
    return {
      ...base,
      status: 'failed',
      error: { code: 'CURFEW_AMBIGUOUS_USER', detail: 'Several users have this e-mail address.' },
    }
  const proof = {
    ...{ at: at + took, pages: 1, listings: 1, client: 'qlik-client-eu', scope: 'admin_classic' },
    ...({ role: 'tenant-admin', userExists: true } as const),
  }
  const tokens = { revoked: 1 + (index % 5), alreadyGone: 0, kept: index % 11 === 0 ? 1 : 0, remaining: 0 }
  return {
    ...base,
    status: 'completed',
    outcome: 'revoked',
    verified: true,
    proof,
    tokens,
    resolved: [`u${index}`],
  }
}

/** Rejected requests, and a burst for a tenant with a small budget. */
async function use(service: Service): Promise<void> {
  const { sandbox, call } = service
  for (let count = 0; count < 3; count += 1)
    await call('POST', '/logout-hook', { ...withKey('crm'), body: { mail: 'ann@example.com' } })
  await call('POST', '/sources/users/webhook', { headers: { authorization: '' }, body: {} })
  const users = NAMES.map((name) => ({ email: `${name}@example.com`, tenant: 'acme' }))
  for (const { email, tenant } of users) {
    const user = sandbox.tenant.addUser({ email })
    sandbox.tenant.issueTokens(user.id, 5)
    await call('POST', '/logout-hook', { ...withKey('crm'), body: { email, tenant } })
  }
}
