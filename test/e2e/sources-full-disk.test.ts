import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { configurationFile } from '../support/config-file.ts'
import { until } from '../support/events.ts'
import { everyKind } from '../support/every-kind.ts'
import { databaseUrl, environmentFor, request } from '../support/service.ts'
import { AUDIENCE, setClaims } from '../support/shared-signals.ts'
import { startTransmitter, TOKEN } from '../support/transmitter.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

/** Limits the size of each file of the process, which simulates a full disk. */
const FILE_SIZE_LIMIT_KIB = 1_024

t.test('on a full disk, no source gets a success for its signal, and no signal is lost', async (t) => {
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  sandbox.tenant.order({ kind: 'hang', times: Number.POSITIVE_INFINITY })
  const transmitter = await startTransmitter(t)
  const { issuer } = transmitter
  const kinds = everyKind(issuer)
  const polled = {
    ...{ name: 'polled', kind: 'shared-signals', issuer: issuer.url, audience: AUDIENCE },
    transmitter: { delivery: 'poll', token: TOKEN },
  }
  const { path } = configurationFile(t, { sources: [...kinds.map(({ entry }) => entry), polled] })
  const environment = environmentFor(sandbox, sandbox.tenant.addClient(), databaseUrl(t), {
    CONFIG_FILE: path,
  })
  const start = async (command: string, parameters: string[]) => {
    const child = spawn(command, parameters, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    const [{ url }] = await once(child, 'message')
    return { child, url: String(url) }
  }
  // Without NODE_OPTIONS: tap would make the process catch the signal that is ignored here.
  const limited = `unset NODE_OPTIONS; trap '' XFSZ; ulimit -f ${FILE_SIZE_LIMIT_KIB * 2}; exec "$0" "$1"`
  const full = await start('sh', ['-c', limited, process.execPath, MAIN])
  const polls = () => transmitter.asked.filter((asked) => asked.path === '/poll')
  await transmitter.until((asked) => asked.path === '/poll')
  // Large batches first, then single signals, until the disk has no space for one more.
  for (const count of [200, 1]) {
    for (let status = 202, batch = 0; status === 202; batch += 1) {
      const users = Array.from({ length: count }, (_, index) => ({ userId: `${count}-${batch}-${index}` }))
      status = (await request(full.url, 'POST', '/revocations', { body: { users } })).status
    }
  }

  const requests = await Promise.all(kinds.map(async (player) => ({ ...player, ...(await player.sign()) })))
  for (const { kind, path, body, headers } of requests) {
    const reply = await request(full.url, 'POST', path, { body, headers: { authorization: '', ...headers } })
    t.equal(reply.status, 503, `${kind}: ${reply.text}`)
    t.ok(Number(reply.headers.get('retry-after')) > 0, `${kind}: Retry-After is set`)
  }
  const before = polls().length
  const set = { ...setClaims(issuer.url, Date.now()), jti: 'polled-1' }
  transmitter.queue('polled-1', await issuer.sign(set))
  await until('it has polled again', () => polls().length > before)
  for (const { body } of polls())
    t.same([body.ack, body.setErrs], [[], {}], 'neither acknowledged nor refused')
  full.child.kill('SIGKILL')
  await once(full.child, 'exit')

  const roomy = await start(process.execPath, [MAIN])
  for (const { kind, path, body, headers, answer } of requests) {
    const reply = await request(roomy.url, 'POST', path, { body, headers: { authorization: '', ...headers } })
    t.equal(reply.status, answer, `${kind}: accepted when sent again`)
  }
  await transmitter.until(({ path, body }) => path === '/poll' && body.ack.includes('polled-1'))
  const { text } = await request(roomy.url, 'GET', '/metrics')
  for (const name of [...kinds.map(({ kind }) => kind), 'polled'])
    t.match(text, `curfew_signals_total{source="${name}",result="accepted"} 1\n`, name)
})
