import t, { type Test } from 'tap'
import { startPostgres } from '../../support/postgres.ts'
import { isProblem } from '../../support/problems.ts'
import { type Service, startService } from '../../support/service.ts'

const server = await startPostgres(t)

async function start(t: Test) {
  const url = await server.createDatabase()
  const service = await startService(t, { environment: { DATABASE_URL: url } })
  return { ...service, sql: (text: string) => server.query(url, text) }
}

async function storeCheck({ call }: Pick<Service, 'call'>) {
  const { status, json } = await call('GET', '/health/ready')
  return { status, check: json.checks.find(({ name }: { name: string }) => name === 'store') }
}

const signal = ({ call }: Pick<Service, 'call'>) => call('POST', '/logout-hook', { body: { userId: 'u1' } })

/** The ways in which a server fails writes while it answers reads, and how each ends. */
const FAILURES = [
  {
    name: 'a commit that fails',
    break: `CREATE FUNCTION curfew.fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
      CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON curfew.revocations
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION curfew.fail()`,
    repair: 'DROP TRIGGER fail ON curfew.revocations',
    reason: 'The database refuses writes: its disk is full (53100). See the log.',
  },
  {
    name: 'a table that is gone',
    break: 'ALTER TABLE curfew.revocations RENAME TO elsewhere',
    repair: 'ALTER TABLE curfew.elsewhere RENAME TO revocations',
    reason: 'A write failed. Database error: 42P01. See the log.',
  },
]

for (const failure of FAILURES) {
  t.test(`${failure.name} makes readiness fail until a write succeeds`, async (t) => {
    const service = await start(t)
    t.match(await storeCheck(service), { status: 200, check: { status: 'ok' } })
    await service.sql(failure.break)
    const refused = await signal(service)
    isProblem(t, refused, 'CURFEW_STORE_UNAVAILABLE')
    for (let asked = 0; asked < 2; asked += 1)
      t.match(await storeCheck(service), { status: 503, check: { status: 'failed', detail: failure.reason } })
    t.equal((await service.call('GET', '/health/live')).status, 200)
    await service.sql(failure.repair)
    t.match(await storeCheck(service), { status: 200, check: { status: 'ok' } }, 'without another signal')
    t.equal((await signal(service)).status, 202)
    t.equal((await service.stored()).length, 1, 'the tried writes leave nothing behind')
    const lines = service.logLines.map((line) => JSON.parse(line))
    t.equal(lines.filter(({ msg }) => msg === 'a write to the database failed; not ready').length, 1)
    t.equal(lines.filter(({ msg }) => /^the database works again/.test(msg)).length, 1)
  })
}

t.test('a signal that succeeds ends it as well', async (t) => {
  const service = await start(t)
  const [failure] = FAILURES
  await service.sql(String(failure?.break))
  isProblem(t, await signal(service), 'CURFEW_STORE_UNAVAILABLE')
  await service.sql(String(failure?.repair))
  t.equal((await signal(service)).status, 202)
  t.ok(service.logLines.some((line) => line.includes('the database works again')))
  t.match(await storeCheck(service), { status: 200 })
})
