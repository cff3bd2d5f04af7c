import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { stripVTControlCharacters } from 'node:util'
import pino from 'pino'
import t from 'tap'
import { CurfewError, ERRORS } from '../../src/base/errors.ts'
import { loggerOptions, terminalLog } from '../../src/base/log.ts'
import type { Fault } from '../../src/sandbox/faults.ts'
import { sendBytes } from '../support/raw-http.ts'
import { API_KEY, OTHER_API_KEY, type Service, startService, WEBHOOK_SECRET } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

const WRONG_KEY = 'wrong-api-key-0123456789abcdef'
const WRONG_SIGNATURE = 'v1,d3Jvbmctc2lnbmF0dXJlLXdyb25nLXNpZ25hdHVyZSE='
const EMAIL = 'ann.marker@example.com'
const SUBJECT = 'auth0|subject-marker'
const USER_ID = 'user-id-marker'
const DEVICE = 'device-marker'
/** All secrets in one malformed text, because parsers may quote what they cannot read. */
const MARKERS = `${EMAIL} ${SUBJECT} ${USER_ID}\n    at ${EMAIL}`

const FAULTS: Fault[] = [
  { kind: 'status', status: 500, body: { detail: MARKERS }, route: 'list' },
  { kind: 'status', status: 503, body: { errors: [{ code: MARKERS, title: MARKERS }] }, route: 'users' },
  { kind: 'status', status: 418, body: MARKERS, route: 'list' },
  { kind: 'status', status: 500, body: { error: MARKERS }, route: 'token' },
  { kind: 'status', status: 500, route: 'revoke' },
  { kind: 'status', status: 500, route: 'revoke', takesEffect: true },
  { kind: 'redirect', location: `https://example.com/${USER_ID}`, route: 'list' },
  { kind: 'reset', route: 'list' },
  { kind: 'reset', route: 'users' },
  { kind: 'broken-json', route: 'list' },
  { kind: 'broken-json', route: 'users' },
  { kind: 'wrong-schema', body: { data: [{ [EMAIL]: SUBJECT }] }, route: 'list' },
  { kind: 'wrong-schema', body: { data: [{ id: USER_ID, email: 7 }] }, route: 'users' },
  { kind: 'endless-next', route: 'list' },
  { kind: 'status', status: 403, body: { detail: MARKERS }, route: 'list' },
  { kind: 'status', status: 400, body: { detail: MARKERS }, route: 'users' },
]

async function sendWhatIsGood({ call }: Service, secrets: Set<string>) {
  const body = JSON.stringify({ email: EMAIL, deviceType: DEVICE })
  const headers = signed(body)
  secrets.add(String(headers['webhook-signature']))
  await call('POST', '/logout-hook', { body, headers })
  await call('POST', '/logout-hook', { body, headers })
  const wait = { prefer: 'wait=30', 'idempotency-key': `"${EMAIL}"` }
  await call('POST', '/logout-hook', { body: { subject: SUBJECT }, headers: wait })
  await call('POST', `/users/${USER_ID}/revoke-all?dryRun=true`)
  await call('POST', `/users/${USER_ID}/revoke-all`, { headers: { prefer: 'wait=30' } })
  await call('GET', `/revocations?userId=${USER_ID}`)
  await call('POST', '/revocations', {
    body: { users: [{ email: EMAIL }, { subject: SUBJECT }, { [SUBJECT]: EMAIL }] },
    headers: { authorization: `Bearer ${OTHER_API_KEY}` },
  })
}

async function sendWhatIsBad({ call, url }: Service) {
  const bodies = [
    `{"email":"${EMAIL}"`,
    `{"${EMAIL}":1}`,
    `{"__proto__":"${MARKERS}"}`,
    JSON.stringify({ userId: `${USER_ID}\n`, subject: SUBJECT }),
    MARKERS.repeat(5_000),
  ]
  for (const body of bodies) {
    await call('POST', '/logout-hook', { body })
    const unproven = { authorization: `Bearer ${WRONG_KEY}` }
    await call('POST', '/logout-hook', { body, headers: unproven })
    const forged = { ...signed(body), 'webhook-signature': WRONG_SIGNATURE }
    await call('POST', '/logout-hook', { body, headers: forged })
    await call('POST', '/logout-hook', { body, headers: { 'content-type': `text/plain; x=${USER_ID}` } })
  }
  await call('POST', `/users/${USER_ID}%ff/revoke-all`)
  await call('POST', `/users/${USER_ID}%00/revoke-all`)
  await call('POST', `/users/${USER_ID}/revoke-all?tenant=${USER_ID}&x=${USER_ID}`)
  await call('GET', `/nowhere/${USER_ID}`)
  await call('GET', `/revocations/${USER_ID}`)
  await sendBytes(url, `GET /${USER_ID} ${EMAIL}\r\n\r\n`)
  await sendBytes(
    url,
    `GET / HTTP/1.1\r\nauthorization: Bearer ${API_KEY}\r\nx: ${USER_ID.repeat(2_000)}\r\n\r\n`,
  )
}

async function letQlikFail({ call, ended, sandbox, client }: Service) {
  for (const fault of FAULTS) {
    sandbox.tenant.issueTokens(USER_ID, 2, { deviceType: DEVICE })
    sandbox.tenant.order(fault)
    if (fault.route === 'token') sandbox.tenant.expireAccessTokens(client.id)
    const { json } = await call('POST', '/logout-hook', { body: { email: EMAIL, reason: 'security' } })
    await ended(json.id)
    await call('POST', `/revocations/${json.id}/retry`)
    sandbox.tenant.order(fault)
    await call('POST', `/users/${USER_ID}/revoke-all?dryRun=true`)
  }
}

async function letTheStoreFail({ call }: Service) {
  const { exec } = DatabaseSync.prototype
  DatabaseSync.prototype.exec = () => {
    throw Object.assign(new Error(MARKERS), { errcode: 10, errstr: 'disk I/O error' })
  }
  await call('POST', '/logout-hook', { body: { email: EMAIL } })
  DatabaseSync.prototype.exec = () => {
    throw new Error(MARKERS)
  }
  await call('POST', '/logout-hook', { body: { email: EMAIL } })
  DatabaseSync.prototype.exec = exec
}

t.test('no log line at any level contains a secret or names a user', async (t) => {
  const service = await startService(t, { environment: { LOG_LEVEL: 'trace' }, random: () => 0 })
  const { sandbox, client, logLines, app } = service
  const user = service.userWithTokens(2, { id: USER_ID, email: EMAIL, subject: SUBJECT })
  const secrets = new Set([API_KEY, OTHER_API_KEY, WEBHOOK_SECRET, WRONG_KEY, WRONG_SIGNATURE])
  const noteTokens = () => {
    for (const owner of [user.id, client.userId]) {
      for (const token of sandbox.tenant.tokensOf(owner)) secrets.add(token.accessToken)
    }
  }
  for (const part of [sendWhatIsGood, sendWhatIsBad, letQlikFail, letTheStoreFail]) {
    noteTokens()
    await part(service, secrets)
    noteTokens()
  }
  const closed = once(app.server, 'close')
  await app.close()
  await closed

  const lines = logLines.map((line) => JSON.parse(line))
  const levels = new Set(lines.map(({ level }) => level))
  t.same([...levels].sort(), [20, 30, 40, 50], 'there was something to log at the levels that are in use')
  t.ok(
    lines.some(({ err }) => err),
    'errors, too',
  )
  for (const name of [EMAIL, SUBJECT, USER_ID, DEVICE, client.secret, client.userId]) secrets.add(name)
  for (const secret of secrets) {
    t.same(
      logLines.filter((line) => line.includes(secret)),
      [],
      secret,
    )
  }
})

function openLog() {
  const lines: Record<string, unknown>[] = []
  const log = pino(loggerOptions('info'), { write: (line: string) => void lines.push(JSON.parse(line)) })
  return { log, lines }
}

t.test(
  'during an outage of the store, each message is written once a second, with the number left out',
  async (t) => {
    const { log, lines } = openLog()
    const outage = { err: new CurfewError('CURFEW_STORE_UNAVAILABLE') }
    for (let nth = 0; nth < 100; nth += 1) log.child({}).error(outage, 'one')
    log.warn(outage, 'other')
    for (let nth = 0; nth < 3; nth += 1) log.error({ err: new CurfewError('CURFEW_INTERNAL') }, 'third')
    t.same(
      lines.map(({ msg }) => msg),
      ['one', 'other', 'third', 'third', 'third'],
    )
    t.match(lines[0], { err: { code: 'CURFEW_STORE_UNAVAILABLE' } })
    t.notHas(lines[0], { leftOut: Number })
    while (lines.length === 5) {
      log.error(outage, 'one')
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.ok(Number(lines[5]?.leftOut) >= 99)
  },
)

t.test('while keys are unavailable, each source has its own line', async (t) => {
  const { log, lines } = openLog()
  const err = new CurfewError('CURFEW_KEYS_UNAVAILABLE')
  for (let nth = 0; nth < 100; nth += 1) for (const source of ['a', 'b']) log.error({ source, err }, 'one')
  t.same(
    lines.map(({ source }) => source),
    ['a', 'b'],
  )
})

t.test('a warning or an error with a code of the error table says what to do', async (t) => {
  const { log, lines } = openLog()
  log.warn({ code: 'CURFEW_QLIK_FORBIDDEN', detail: 'd' }, 'by its code')
  log.error({ err: new CurfewError('CURFEW_INTERNAL') }, 'by its error')
  log.error({ err: new CurfewError('CURFEW_STORE_UNAVAILABLE') }, 'in an outage')
  t.match(lines, [
    { msg: 'by its code', detail: 'd', action: ERRORS.CURFEW_QLIK_FORBIDDEN.action },
    { msg: 'by its error', err: { code: 'CURFEW_INTERNAL' }, action: ERRORS.CURFEW_INTERNAL.action },
    { msg: 'in an outage', action: ERRORS.CURFEW_STORE_UNAVAILABLE.action },
  ])
})

t.test('other lines have no action', async (t) => {
  const { log, lines } = openLog()
  log.info({ code: 'CURFEW_QLIK_FORBIDDEN' }, 'less severe')
  log.warn({ code: 'toString' }, 'not in the table')
  log.error({ err: Object.assign(new Error(), { code: 'ECONNRESET' }) }, 'an error of Node')
  log.error(new CurfewError('CURFEW_INTERNAL'))
  log.warn('text alone')
  t.equal(lines.length, 5)
  for (const line of lines) t.notOk('action' in line, String(line.msg))
})

t.test('a terminal gets lines for people; anything else gets JSON', async (t) => {
  const written: string[] = []
  const write = (line: string) => void written.push(line)
  t.equal(await terminalLog({ write }), undefined)
  t.equal(await terminalLog({ write, isTTY: false }), undefined)
  const log = pino(loggerOptions('info'), (await terminalLog({ write, isTTY: true })) ?? { write })
  log.warn({ code: 'CURFEW_QLIK_FORBIDDEN' }, 'an attempt has failed')
  t.match(
    stripVTControlCharacters(written.join('')),
    /^\[[\d:.]+\] WARN: an attempt has failed .*TenantAdmin.*\n$/,
  )
})
