import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { databaseUrl, environmentFor, request } from '../support/service.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

/** Limits the size of each file of the process, which simulates a full disk. */
const FILE_SIZE_LIMIT_KIB = 1_024

t.test('if the disk is full, senders get 503 with a code, and no accepted signal is lost', async (t) => {
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  const client = sandbox.tenant.addClient()
  sandbox.tenant.order({ kind: 'hang', times: Number.POSITIVE_INFINITY })
  const environment = environmentFor(sandbox, client, databaseUrl(t))
  // Without NODE_OPTIONS: tap would make the process catch the signal that is ignored here.
  const limited = `unset NODE_OPTIONS; trap '' XFSZ; ulimit -f ${FILE_SIZE_LIMIT_KIB * 2}; exec "$0" "$1"`
  const full = spawn('sh', ['-c', limited, process.execPath, MAIN], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  t.teardown(() => full.kill('SIGKILL'))
  const [{ url }] = await once(full, 'message')

  const accepted: string[] = []
  let refused: Awaited<ReturnType<typeof request>> | null = null
  for (let batch = 0; batch < 100 && !refused; batch += 1) {
    const users = Array.from({ length: 200 }, (_, index) => ({ userId: `user-${batch}-${index}` }))
    const reply = await request(url, 'POST', '/revocations', { body: { users } })
    if (reply.status !== 202) refused = reply
    else for (const { revocation } of reply.json.items) accepted.push(revocation.id)
  }
  t.equal(refused?.status, 503)
  t.match(refused?.json, { code: 'CURFEW_STORE_UNAVAILABLE', status: 503, action: String })
  t.ok(Number(refused?.headers.get('retry-after')) > 0)
  t.ok(accepted.length > 0)
  full.kill('SIGKILL')
  await once(full, 'exit')

  const roomy = spawn(process.execPath, [MAIN], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  t.teardown(() => roomy.kill('SIGKILL'))
  const [again] = await once(roomy, 'message')
  const lost: string[] = []
  for (const id of accepted) {
    if ((await request(again.url, 'GET', `/revocations/${id}`)).status !== 200) lost.push(id)
  }
  t.same(lost, [])
  const late = await request(again.url, 'POST', '/logout-hook', { body: { userId: 'late' } })
  t.equal(late.status, 202, 'with free space it accepts signals again')
})
