import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { databaseUrl, environmentFor, request } from '../support/service.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
/** More than a pipe holds. Each rejected request writes a line of about 150 bytes at the level debug. */
const REJECTED = 3_000

/** Starts the service with its log in a pipe that nobody reads, and fills the pipe. */
async function startUnread(t: Test, more: Record<string, string>) {
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  const environment = environmentFor(sandbox, sandbox.tenant.addClient(), databaseUrl(t), more)
  const child = fork(MAIN, {
    env: { ...process.env, ...environment, LOG_LEVEL: 'debug' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [{ url }] = await once(child, 'message')
  const senders = Array.from({ length: 20 }, async () => {
    for (let count = 0; count < REJECTED / 20; count += 1)
      await request(url, 'POST', '/logout-hook', { body: {}, headers: { authorization: '' } })
  })
  await Promise.all(senders)
  return { child, url: String(url) }
}

t.test('while nobody reads the log, requests are answered, and SIGTERM ends the process', async (t) => {
  const { child, url } = await startUnread(t, { SHUTDOWN_GRACE_MS: '60000' })
  const { status } = await request(url, 'POST', '/logout-hook', { body: { userId: 'u1' } })
  t.equal(status, 202)
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [0, null])
})
