import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { configurationFile, entryFor, sandboxTenant } from '../support/config-file.ts'
import { listen } from '../support/listen.ts'
import { startPostgres } from '../support/postgres.ts'
import { databaseUrl, startService } from '../support/service.ts'

const TENANTS = 200
const HANGING = 20
/** More than the runs allowed at a time for one tenant. */
const USERS_OF_A_HANGING_ONE = 50

/** Accepts connections and never answers. */
async function startHanging(t: Test): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  const port = await listen(server)
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${port}`
}

async function startTenants(t: Test) {
  const hanging = await Promise.all(
    Array.from({ length: HANGING }, async (_, index) => entryFor(`hanging-${index}`, await startHanging(t))),
  )
  const working = await Promise.all(
    Array.from({ length: TENANTS - HANGING }, (_, index) => sandboxTenant(t, `working-${index}`)),
  )
  return { hanging, working }
}

const STORES: Record<string, (t: Test) => Promise<string>> = {
  sqlite: async (t) => databaseUrl(t),
  postgres: async (t) => (await startPostgres(t)).createDatabase(),
}

const { hanging, working } = await startTenants(t)

for (const [name, open] of Object.entries(STORES)) {
  t.test(`${name}: 20 of 200 tenants hang, and the others are not affected`, async (t) => {
    const tenants = [...hanging, ...working.map(({ entry }) => entry)]
    const { call, ended } = await startService(t, {
      environment: {
        CONFIG_FILE: configurationFile(t, { tenants }).path,
        DATABASE_URL: await open(t),
        // Longer than the test, so that no call to a hanging tenant times out.
        QLIK_TIMEOUT_MS: '300000',
        SHUTDOWN_GRACE_MS: '1000',
      },
    })
    const users = Array.from({ length: USERS_OF_A_HANGING_ONE }, (_, index) => ({ userId: `u${index}` }))
    for (const { name: tenant } of hanging) {
      t.equal((await call('POST', '/revocations', { body: { tenant, users } })).status, 202)
    }
    const ids = await Promise.all(
      working.map(async ({ sandbox, entry }) => {
        const user = sandbox.tenant.addUser()
        sandbox.tenant.issueTokens(user.id, 1)
        const body = { tenant: entry.name, userId: user.id }
        return (await call('POST', '/logout-hook', { body })).json.id
      }),
    )
    const revocations = await Promise.all(ids.map((id) => ended(id)))
    t.ok(revocations.every(({ status }) => status === 'completed'))
    const { text } = await call('GET', '/metrics')
    const backlogOf = (status: string) =>
      [
        ...text.matchAll(
          new RegExp(`curfew_backlog\\{tenant="hanging-\\d+",status="${status}"\\} (\\d+)`, 'g'),
        ),
      ]
        .map(([, count]) => Number(count))
        .reduce((sum, count) => sum + count, 0)
    t.equal(
      backlogOf('queued') + backlogOf('running'),
      HANGING * USERS_OF_A_HANGING_ONE,
      'the hanging ones still wait',
    )
    t.equal(backlogOf('running'), HANGING * 32, 'each with its share of the runs')
  })
}
