import t from 'tap'
import { until } from '../support/events.ts'
import { startPostgres } from '../support/postgres.ts'
import { type Service, startService } from '../support/service.ts'

const TOKENS = 30

async function remaining({ call, client }: Service): Promise<number | undefined> {
  const { text } = await call('GET', '/metrics')
  const labels = `{tenant="default",client="${client.id}",tier="2"}`
  const line = text.split('\n').find((line) => line.startsWith(`curfew_budget_remaining${labels} `))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}

t.test('every replica reports what all of them leave in a budget', async (t) => {
  const environment = { DATABASE_URL: await (await startPostgres(t)).createDatabase() }
  const one = await startService(t, { environment })
  const other = await startService(t, { environment, share: one })
  const replicas = [one, other]
  // Only one replica runs it, and may be either.
  const { id } = one.userWithTokens(TOKENS)
  await one.revoke({ userId: id })
  const spent = one.sandbox.tenant.calls.filter(({ tier }) => tier === 2).length
  t.ok(spent > TOKENS)
  for (const [index, replica] of replicas.entries())
    await until(`replica ${index} reports it`, async () => (await remaining(replica)) === 500 - spent)
})
