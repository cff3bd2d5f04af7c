import t from 'tap'
import { IGNORED, judged, REJECTED } from '../../support/judged.ts'
import { isProblem } from '../../support/problems.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

const log = (type: string, userId?: string) => ({
  log_id: `90020200129172650${type}`,
  data: { date: '2020-01-29T17:26:50.193Z', type, client_id: 'c1', ...(userId ? { user_id: userId } : {}) },
})

t.test('logouts, new passwords and deleted users end sessions', async (t) => {
  t.same(judged('auth0-log-stream', log('slo', 'auth0|1')).signals, ['logout subject auth0|1'])
  t.same(judged('auth0-log-stream', log('scp', 'auth0|1')).signals, ['logout subject auth0|1'])
  t.same(judged('auth0-log-stream', log('sdu', 'auth0|1')).signals, ['security subject auth0|1'])
  t.same(judged('auth0-log-stream', log('s', 'auth0|1')), IGNORED)
  t.same(judged('auth0-log-stream', log('slo')), IGNORED, 'a logout without a session has no user')
  t.same(judged('auth0-log-stream', log('sdu')), REJECTED)
})

const LOGS = [log('slo', 'auth0|1'), log('s', 'auth0|2'), log('sdu', 'auth0|3')]
const lines = LOGS.map((one) => JSON.stringify(one)).join('\n')

t.test('logs are accepted as lines, as a list or in an object', async (t) => {
  for (const [name, body, type] of [
    ['lines', lines, 'application/json'],
    ['lines of that type', `${lines}\n\n`, 'application/x-ndjson'],
    ['lines that end as on Windows', lines.replaceAll('\n', '\r\n'), 'application/jsonl; charset=utf-8'],
    ['one line', JSON.stringify(LOGS[0]), 'application/x-ndjson'],
    ['a list', JSON.stringify(LOGS), 'application/json'],
    ['an object with a list', JSON.stringify({ logs: LOGS }), 'application/json'],
    ['one log', JSON.stringify(LOGS[0]), 'application/json; charset=utf-8'],
    ['the log itself', JSON.stringify(LOGS[0]?.data), 'application/json'],
  ] as const) {
    const { send, stored } = await vendorService(t, vendorOf('auth0-log-stream'))
    t.equal((await send(body, { headers: { 'content-type': type } })).status, 204, name)
    const users = (await stored()).map(({ user }) => user)
    const isOne = !body.includes('auth0|3')
    t.same(users, [{ subject: 'auth0|1' }, ...(isOne ? [] : [{ subject: 'auth0|3' }])], name)
  }
})

t.test('a truncated or poisoned line does not affect the others', async (t) => {
  const { send, stored, counted } = await vendorService(t, vendorOf('auth0-log-stream'))
  const poisoned = `{"__proto__":{"x":1},${JSON.stringify(log('slo', 'auth0|9')).slice(1)}`
  const body = [lines, poisoned, JSON.stringify(log('slo', 'auth0|8')).slice(0, -1)].join('\n')
  t.equal((await send(body)).status, 204)
  t.equal((await stored()).length, 3)
  t.equal(await counted('rejected'), 1)
})

t.test(
  'a list with a log on each line is parsed as a list, and rejected as a whole if malformed',
  async (t) => {
    const { send, stored } = await vendorService(t, vendorOf('auth0-log-stream'))
    const logs = ['auth0|7', 'auth0|8'].map((user) => JSON.stringify(log('slo', user)))
    isProblem(t, await send(`[\n${logs.join(',\n')},\n]`), 'CURFEW_BODY_UNREADABLE')
    t.same(await stored(), [])
    t.equal((await send(`[\n${logs.join(',\n')}\n]`)).status, 204)
    t.equal((await stored()).length, 2)
  },
)

t.test('more than a thousand lines are rejected before any is parsed', async (t) => {
  const { send } = await vendorService(t, vendorOf('auth0-log-stream'))
  const many = Array.from({ length: 1_001 }, () => '{}').join('\n')
  isProblem(t, await send(many), 'CURFEW_REQUEST_INVALID', '/')
})
