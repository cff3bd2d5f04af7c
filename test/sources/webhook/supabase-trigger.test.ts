import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startPostgres } from '../../support/postgres.ts'
import { PATH, vendorOf, vendorService } from '../../support/vendor-service.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/sources/supabase.md'), 'utf8')

/** The parts of a Supabase database that the trigger uses. `net.http_post` records the bytes that pg_net would send. */
const SUPABASE = `
  CREATE SCHEMA auth; CREATE SCHEMA vault; CREATE SCHEMA net; CREATE SCHEMA extensions;
  CREATE EXTENSION pgcrypto SCHEMA extensions;
  CREATE TABLE auth.users (id uuid PRIMARY KEY, email text, encrypted_password text);
  CREATE TABLE auth.sessions (id uuid PRIMARY KEY, user_id uuid REFERENCES auth.users ON DELETE CASCADE);
  CREATE TABLE vault.decrypted_secrets (name text, decrypted_secret text);
  CREATE TABLE net.requests (serial serial, headers jsonb, body bytea);
  CREATE FUNCTION net.http_post(url text, body jsonb, headers jsonb) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO net.requests (headers, body) VALUES (headers, convert_to(body::text, 'UTF8')) RETURNING serial
  $$;`

t.test('the trigger on the page signs requests that the source accepts', async (t) => {
  const postgres = await startPostgres(t)
  const url = await postgres.createDatabase()
  const run = (text: string) => postgres.query(url, text)
  const trigger = /```sql\n([\s\S]*?)```/.exec(PAGE)?.[1] ?? ''
  const [ada, bob] = ['8ccaa7af-909f-44e7-84cb-67cdccb56be6', '8ccaa7af-909f-44e7-84cb-67cdccb56be7']
  await run(SUPABASE)
  await run(trigger)
  await run(
    `INSERT INTO auth.users VALUES ('${ada}', 'ada@example.com', 'hash'), ('${bob}', 'b@c.d', 'hash')`,
  )
  await run(`INSERT INTO auth.sessions VALUES ('${ada}', '${ada}'), ('${bob}', '${bob}')`)

  await t.test('a sign-out succeeds without a configured secret', async (t) => {
    await run(`DELETE FROM auth.sessions WHERE user_id = '${bob}'`)
    t.same(await run('SELECT FROM auth.sessions'), [{}])
  })

  await run('TRUNCATE net.requests')
  await run(`INSERT INTO vault.decrypted_secrets VALUES ('curfew', '${vendorOf('supabase').secret}')`)
  await run(`DELETE FROM auth.sessions WHERE user_id = '${ada}'`)
  await run(`DELETE FROM auth.users WHERE id = '${bob}'`)
  const requests = await run('SELECT headers, body FROM net.requests ORDER BY serial')
  t.equal(requests.length, 2)
  const { service, stored } = await vendorService(t, vendorOf('supabase'))
  for (const { headers, body } of requests) {
    t.notMatch(String(body), 'hash')
    const all = { authorization: '', ...(headers as Record<string, string>) }
    const reply = await service.call('POST', PATH, { headers: all, body: new Uint8Array(body as Buffer) })
    t.equal(reply.status, 200, reply.text)
  }
  t.match(await stored(), [
    { user: { subject: ada }, reason: 'logout' },
    { user: { subject: bob }, reason: 'security' },
  ])
})
