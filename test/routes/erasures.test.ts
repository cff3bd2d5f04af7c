import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { CurfewError } from '../../src/base/errors.ts'
import { PROVEN } from '../../src/http/authenticate.ts'
import problems from '../../src/http/problems.ts'
import { validatorCompiler } from '../../src/http/validate.ts'
import type { Erased } from '../../src/revocation/audit/audit-log.ts'
import erasures from '../../src/routes/erasures.ts'
import { fakeClock } from '../support/clock.ts'

const ERASED: Erased = { entries: 7, revocations: 2, sessions: 1, replays: 0, notifications: 0, pending: 1 }
const ANSWER_WITHIN_MS = 20_000

/** The routes, with erasures that end when the test ends them. */
async function start(t: Test) {
  const lines: string[] = []
  const app = Fastify({
    logger: { level: 'info', stream: { write: (line: string) => void lines.push(line) } },
  })
  t.teardown(() => app.close())
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(() => JSON.stringify)
  const clock = fakeClock()
  const ends: PromiseWithResolvers<Erased>[] = []
  await app.register(problems)
  app.decorateRequest('sender', null)
  app.addHook('onRequest', async (request) => {
    const only = request.headers['x-tenant']
    const tenants = typeof only === 'string' ? [only] : null
    request.sender = { kind: 'api-key', name: 'a', fingerprint: 'a', roles: ['admin'], tenants }
  })
  for (const name of PROVEN.dependencies.filter((name) => name !== 'problems'))
    await app.register(fp(async () => {}, { name }))
  await app.register(erasures, {
    audit: {
      erase() {
        const end = Promise.withResolvers<Erased>()
        ends.push(end)
        return end.promise
      },
    },
    tenants: { has: () => true, names: () => ['default', 'emea'] },
    clock,
  })
  // `inject` alone sends nothing until it is awaited.
  const erase = async () => await app.inject({ method: 'POST', url: '/erasures', payload: { userId: 'u1' } })
  /** An erasure that has got 202. */
  const eraseSlowly = async () => {
    const answered = erase()
    await clock.timerOf('revocation/audit/erasures.ts')
    clock.advance(ANSWER_WITHIN_MS)
    const { statusCode, headers } = await answered
    t.equal(statusCode, 202)
    return { url: String(headers.location), end: ends.at(-1) as PromiseWithResolvers<Erased> }
  }
  const get = async (url: string, headers = {}) => await app.inject({ url, headers })
  const logged = () => lines.map((line) => JSON.parse(line)).filter(({ erasure }) => erasure)
  return { clock, ends, erase, eraseSlowly, get, logged }
}

t.test('a fast erasure is answered with its result, which can be asked for again', async (t) => {
  const { clock, ends, erase, get, logged } = await start(t)
  const answered = erase()
  await clock.timerOf('revocation/audit/erasures.ts')
  ends[0]?.resolve(ERASED)
  const first = await answered
  t.equal(first.statusCode, 200)
  t.match(first.json(), { ...ERASED, action: /^Repeat the request/ })
  t.equal(clock.untilNextTimer(), null)
  t.same((await get(`/erasures/${first.json().id}`)).json(), first.json())
  t.same(logged(), [])
})

t.test('an erasure that takes longer is answered in time, and its result can be asked for', async (t) => {
  const { clock, eraseSlowly, get, logged } = await start(t)
  const { url, end } = await eraseSlowly()
  const waiting = get(url)
  await clock.timerOf('revocation/audit/erasures.ts')
  clock.advance(ANSWER_WITHIN_MS)
  t.match([(await waiting).statusCode, (await waiting).headers.location], [202, url], 'it still runs')
  const last = get(url)
  await clock.timerOf('revocation/audit/erasures.ts')
  end.resolve({ ...ERASED, pending: 0 })
  t.match([(await last).statusCode, (await last).json()], [200, { entries: 7, pending: 0, action: null }])
  t.match(logged(), [{ msg: 'an erasure ended', entries: 7, erasure: url.slice('/erasures/'.length) }])
})

t.test('an erasure that fails later says so', async (t) => {
  const { eraseSlowly, get, logged } = await start(t)
  const { url, end } = await eraseSlowly()
  end.reject(new CurfewError('CURFEW_STORE_UNAVAILABLE'))
  const { statusCode, json } = await get(url)
  t.match([statusCode, json().code], [503, 'CURFEW_STORE_UNAVAILABLE'])
  t.match(logged(), [{ msg: 'an erasure failed; repeat the request', level: 50 }])
})

t.test('erasures of other tenants, and unknown ones, are not found', async (t) => {
  const { eraseSlowly, get } = await start(t)
  const { url, end } = await eraseSlowly()
  end.resolve(ERASED)
  t.equal((await get(url, { 'x-tenant': 'default' })).statusCode, 200)
  for (const answer of [await get(url, { 'x-tenant': 'emea' }), await get('/erasures/x')])
    t.match([answer.statusCode, answer.json().code], [404, 'CURFEW_UNKNOWN_ERASURE'])
})

t.test('the last 100 results are kept', async (t) => {
  const { ends, erase, get } = await start(t)
  const ids: string[] = []
  for (let index = 0; index < 102; index += 1) {
    const answered = erase()
    while (ends.length === index) await new Promise(setImmediate)
    ends[index]?.resolve(ERASED)
    ids.push((await answered).json().id)
  }
  const statuses = await Promise.all(ids.map(async (id) => (await get(`/erasures/${id}`)).statusCode))
  t.same(statuses.filter((status) => status === 404).length, 1)
  t.equal(statuses[0], 404)
})
