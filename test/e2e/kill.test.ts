import t from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { databaseUrl, environmentFor, request, settledAt } from '../support/service.ts'

const KILLS = 20
const SENDERS = 8

t.test(
  `no acknowledged signal is lost by ${KILLS} kills at random moments under load`,
  { timeout: 300_000 },
  async (t) => {
    const sandbox = await startSandbox({ latencyMs: 1, tier1Limit: 1_000_000, tier2Limit: 1_000_000 })
    t.teardown(() => sandbox.close())
    const { tenant } = sandbox
    const client = tenant.addClient()
    const environment = environmentFor(sandbox, client, databaseUrl(t), {
      QLIK_TIER1_LIMIT: '1000000',
      QLIK_TIER2_LIMIT: '1000000',
    })
    const acknowledged = new Map<string, string>()
    let onAcknowledged = () => {}
    const reach = (count: number) =>
      new Promise<void>((resolve) => {
        onAcknowledged = () => {
          if (acknowledged.size >= count) resolve()
        }
      })

    /** Posts signals for users with tokens until the service is gone. */
    async function send(service: ServiceProcess): Promise<void> {
      for (;;) {
        const user = tenant.addUser()
        tenant.issueTokens(user.id, 2)
        const reply = await request(service.url, 'POST', '/logout-hook', { body: { userId: user.id } }).catch(
          () => null,
        )
        if (!reply) return
        if (reply.status !== 202) throw new Error(`unexpected answer: ${reply.status} ${reply.text}`)
        acknowledged.set(reply.json.id, user.id)
        onAcknowledged()
      }
    }

    for (let kill = 0; kill < KILLS; kill += 1) {
      const service = await startProcess(t, environment)
      const enough = reach(acknowledged.size + 1 + Math.floor(Math.random() * 60))
      const senders = Array.from({ length: SENDERS }, () => send(service))
      await enough
      t.equal(await service.end('SIGKILL'), 'SIGKILL')
      await Promise.all(senders)
    }

    const service = await startProcess(t, environment)
    for (const id of acknowledged.keys()) {
      const { status, json } = await settledAt(service.url, id)
      if (status !== 200 || json.status !== 'completed' || !json.verified)
        t.fail(`${id} is lost`, { found: json })
    }
    const alive = [...acknowledged.values()].filter((userId) => tenant.tokensOf(userId).length > 0)
    t.same(alive, [], 'all those users lost their tokens')
    t.ok(acknowledged.size >= KILLS, `${acknowledged.size} signals were acknowledged`)
    t.equal(await service.end('SIGTERM'), 0)
  },
)
