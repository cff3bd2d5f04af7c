import t from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { configurationFile } from '../support/config-file.ts'
import { freePort } from '../support/free-port.ts'
import { startPostgres } from '../support/postgres.ts'
import { startProcess } from '../support/process.ts'
import { type Receiver, startReceiver, verified } from '../support/receiver.ts'
import { RECEIVER_SECRET } from '../support/receivers.ts'
import { setUpReplicas } from '../support/replicas.ts'
import { databaseUrl, environmentFor, request, settledAt } from '../support/service.ts'

const SIGNALS = 30
const TYPES = ['revocation.completed', 'revocation.verified']
/** Claims of a killed process are due again after a minute. */
const TIMEOUT_MS = 180_000

/** Revocation and type of each valid request. */
const pairsOf = ({ requests }: Receiver) =>
  requests.filter((one) => verified(one)).map(({ message }) => `${message.data.id} ${message.type}`)

const expectedOf = (ids: readonly string[]) =>
  ids.flatMap((id) => TYPES.map((type) => `${id} ${type}`)).sort()

async function untilNotified(receiver: Receiver, ids: readonly string[]) {
  const expected = expectedOf(ids)
  for (let count = 1; ; count += 1) {
    await receiver.got(count)
    const got = new Set(pairsOf(receiver))
    if (expected.every((pair) => got.has(pair))) return
  }
}

t.test('no notification is lost by kills while the receiver is down', { timeout: TIMEOUT_MS }, async (t) => {
  const sandbox = await startSandbox({ latencyMs: 1, tier1Limit: 1_000_000, tier2Limit: 1_000_000 })
  t.teardown(() => sandbox.close())
  const port = await freePort()
  const entry = { name: 'siem', url: `http://127.0.0.1:${port}/`, secret: RECEIVER_SECRET }
  const file = configurationFile(t, { receivers: [entry], receiverNetworks: ['127.0.0.1'] })
  const environment = environmentFor(sandbox, sandbox.tenant.addClient(), databaseUrl(t), {
    ...{ CONFIG_FILE: file.path, QLIK_TIER1_LIMIT: '1000000', QLIK_TIER2_LIMIT: '1000000' },
  })
  const ids: string[] = []
  for (let kill = 0; kill < 2; kill += 1) {
    const service = await startProcess(t, environment)
    for (let signal = 0; signal < SIGNALS; signal += 1) {
      const { id } = sandbox.tenant.addUser()
      sandbox.tenant.issueTokens(id, 1)
      const { status, json } = await request(service.url, 'POST', '/logout-hook', { body: { userId: id } })
      t.equal(status, 202)
      ids.push(json.id)
    }
    t.equal(await service.end('SIGKILL'), 'SIGKILL')
  }
  const receiver = await startReceiver(t, '127.0.0.1', port)
  const service = await startProcess(t, environment)
  for (const id of ids) await settledAt(service.url, id)
  await untilNotified(receiver, ids)
  t.same([...new Set(pairsOf(receiver))].sort(), expectedOf(ids))
})

t.test('two replicas notify once of each change', { timeout: TIMEOUT_MS }, async (t) => {
  const server = await startPostgres(t)
  const receiver = await startReceiver(t)
  const entry = { name: 'siem', url: receiver.url, secret: RECEIVER_SECRET }
  const file = configurationFile(t, { receivers: [entry], receiverNetworks: ['127.0.0.1'] })
  const { start, accept, userWithTokens, acknowledged } = await setUpReplicas(t, { server })
  const replicas = [await start({ CONFIG_FILE: file.path }), await start({ CONFIG_FILE: file.path })]
  for (let signal = 0; signal < SIGNALS; signal += 1)
    for (const replica of replicas) await accept(replica, userWithTokens(1))
  const ids = [...acknowledged.keys()]
  t.equal(ids.length, 2 * SIGNALS)
  await untilNotified(receiver, ids)
  t.same(pairsOf(receiver).sort(), expectedOf(ids), 'each once')
})
