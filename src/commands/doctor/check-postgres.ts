import pg from 'pg'
import { connectionOptions } from '../../stores/postgres/database.ts'
import { type Finding, failed, ok, reasonOf, warning } from './finding.ts'

const PINGS = 3
const SLOW_MS = 20
/** The oldest version that is supported by its project. */
const OLDEST_VERSION = 140_000

/** Checks latency, TLS, role and version, and changes nothing. */
export async function checkPostgres(url: string): Promise<Finding[]> {
  const client = new pg.Client(connectionOptions(url))
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    return [
      failed('store', `PostgreSQL is unavailable: ${reasonOf(error)}`, 'Check DATABASE_URL and the server.'),
    ]
  }
  try {
    const { rows } = await client.query(`SELECT current_setting('server_version_num')::int AS version,
      current_setting('server_version') AS name, current_user AS role, pg_is_in_recovery() AS standby,
      has_database_privilege(current_database(), 'CREATE') AS creates,
      coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls`)
    const { version, name, role, standby, creates, tls } = rows[0]
    return [
      await latency(client),
      version < OLDEST_VERSION
        ? warning('store version', `PostgreSQL ${name}`, 'Upgrade PostgreSQL: this version gets no fixes.')
        : ok('store version', `PostgreSQL ${name}`),
      tls
        ? ok('store TLS', 'The connection is encrypted.')
        : warning(
            'store TLS',
            'The connection is not encrypted.',
            'Unless it is local: sslmode=verify-full in DATABASE_URL.',
          ),
      roleFinding({ role, standby, creates }),
    ]
  } catch (error) {
    return [failed('store', reasonOf(error), 'Check the role and the server.')]
  } finally {
    await client.end().catch(() => {})
  }
}

async function latency(client: pg.Client): Promise<Finding> {
  const times: number[] = []
  for (let ping = 0; ping < PINGS; ping += 1) {
    const start = performance.now()
    await client.query('SELECT 1')
    times.push(performance.now() - start)
  }
  const fastest = Math.min(...times)
  const detail = `PostgreSQL answers in ${fastest.toFixed(1)} ms.`
  if (fastest > SLOW_MS) return warning('store', detail, 'Run Curfew near the database.')
  return ok('store', detail)
}

function roleFinding({
  role,
  standby,
  creates,
}: {
  role: string
  standby: boolean
  creates: boolean
}): Finding {
  if (standby)
    return failed('store role', 'The server is a standby, which is read-only.', 'Connect to the primary.')
  if (!creates)
    return warning(
      'store role',
      `${role} cannot create schemas.`,
      'Needed for the first start and for upgrades: GRANT CREATE ON DATABASE.',
    )
  return ok('store role', `${role} can create what an upgrade needs.`)
}
