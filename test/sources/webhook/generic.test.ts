import { createHmac } from 'node:crypto'
import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { mistakesIn } from '../../support/config-file.ts'
import { keysOf } from '../../support/configuration.ts'
import { isProblem } from '../../support/problems.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

const SECRET = 'a-shared-secret-of-32-characters'
const ENTRY = {
  name: 'portal',
  kind: 'generic',
  secret: SECRET,
  proof: { scheme: 'hmac', header: 'X-Signature' },
  type: '{type}',
  events: { 'signed-out': 'logout' },
  user: { as: 'subject', from: '{user}' },
  occurredAt: '/at',
}
/** Each test adds the proof. */
const VENDOR = { ...vendorOf('generic'), entry: { ...ENTRY, name: 'the-source' }, sign: () => ({}) }
const BODY = '{"type":"signed-out","user":"u1"}'

t.test('signatures in each encoding and algorithm, over the text that the entry describes', async (t) => {
  const clock = fakeClock()
  const seconds = String(Math.floor(clock.now() / 1000))
  const milliseconds = String(clock.now())
  const mac = (algorithm: string, text: string) => createHmac(algorithm, SECRET).update(text)
  const header = 'X-Signature'
  const cases: [object, string, Record<string, string>][] = [
    [{ header }, mac('sha256', BODY).digest('hex'), {}],
    [{ header, encoding: 'base64' }, mac('sha256', BODY).digest('base64'), {}],
    [{ header, encoding: 'base64url', algorithm: 'sha384' }, mac('sha384', BODY).digest('base64url'), {}],
    [{ header, prefix: 'sha256=' }, `sha256=${mac('sha256', BODY).digest('hex')}`, {}],
    [{ header, signed: 'v0:{body}:end' }, mac('sha256', `v0:${BODY}:end`).digest('hex'), {}],
    [
      { header, signed: 'v0:{timestamp}:{body}', timestamp: { header: 'X-Time' } },
      mac('sha256', `v0:${seconds}:${BODY}`).digest('hex'),
      { 'x-time': seconds },
    ],
    [
      {
        header,
        signed: '{body}.{timestamp}',
        timestamp: { header: 'X-Time', unit: 'ms', toleranceSeconds: 5 },
      },
      mac('sha256', `${BODY}.${milliseconds}`).digest('hex'),
      { 'x-time': milliseconds },
    ],
  ]
  for (const [proof, signature, more] of cases) {
    const entry = { proof: { scheme: 'hmac', ...proof } }
    const { send, stored } = await vendorService(t, VENDOR, entry, { clock })
    const reply = await send(BODY, { headers: { 'x-signature': signature, ...more } })
    t.equal(reply.status, 204, `${JSON.stringify(proof)}: ${reply.text}`)
    t.match(await stored(), [{ user: { subject: 'u1' }, reason: 'logout' }])
    for (const wrong of [signature.slice(1), `${signature}=`, ` ${signature}!`, signature.replace(/.$/, '')])
      isProblem(t, await send(BODY, { headers: { 'x-signature': wrong, ...more } }), 'CURFEW_SOURCE_UNPROVEN')
    if ('x-time' in more) {
      for (const time of ['', 'x', '1e3', `${more['x-time']}.0`, '-1'])
        isProblem(
          t,
          await send(BODY, { headers: { 'x-signature': signature, 'x-time': time } }),
          'CURFEW_SOURCE_UNPROVEN',
        )
    }
  }
})

t.test('signature and timestamp may be pairs in one header', async (t) => {
  const pairs = { header: 'X-Signature', pair: 'v1', timestamp: { pair: 't' } }
  const proof = { scheme: 'hmac', ...pairs, signed: '{timestamp}.{body}' }
  const clock = fakeClock()
  const { send, stored } = await vendorService(t, VENDOR, { proof }, { clock })
  const at = Math.floor(clock.now() / 1000)
  const mac = (time: number) => createHmac('sha256', SECRET).update(`${time}.${BODY}`).digest('hex')
  const other = '00'.repeat(32)
  const answer = async (header: string) => (await send(BODY, { headers: { 'x-signature': header } })).status
  for (const header of [
    mac(at),
    `t=${at}`,
    `v1=${mac(at)}`,
    `t=${at},v1=${other}`,
    `t=${at},v0=${mac(at)}`,
    `t=${at},t=${at},v1=${mac(at)}`,
    `t=${at + 1},v1=${mac(at)}`,
    `t=${at - 301},v1=${mac(at - 301)}`,
    `t=${at},v1=sha256=${mac(at)}`,
    `t=${at},${`v1=${other},`.repeat(5)}v1=${mac(at)}`,
  ])
    t.equal(await answer(header), 401, header)
  t.same(await stored(), [])
  for (const header of [
    `t=${at},v1=${mac(at)}`,
    `v1=${mac(at)}, t=${at}`,
    `t=${at},v1=${other},v1=${mac(at)},v0=${other}`,
  ])
    t.equal(await answer(header), 204, header)
})

t.test('a static header and Standard Webhooks are further schemes', async (t) => {
  const { send } = await vendorService(t, VENDOR, { proof: { scheme: 'static', header: 'X-Token' } })
  t.equal((await send(BODY, { headers: { 'x-token': SECRET } })).status, 204)
  isProblem(t, await send(BODY, { headers: { authorization: SECRET } }), 'CURFEW_SOURCE_UNPROVEN')
  const { secret, sign } = vendorOf('supabase')
  const standard = { ...VENDOR, secret, sign }
  const other = await vendorService(t, standard, { secret, proof: { scheme: 'standard-webhooks' } })
  t.equal((await other.send(BODY)).status, 204)
  isProblem(t, await other.send(BODY, { secret: vendorOf('supabase').otherSecret }), 'CURFEW_SOURCE_UNPROVEN')
})

t.test('events may be in a nested list, a list, or lines', async (t) => {
  const proof = { scheme: 'static', header: 'X-Token' }
  const headers = { 'x-token': SECRET }
  const two = [BODY, BODY.replace('u1', 'u2')]
  for (const [entry, body] of [
    [{ items: '/data/events' }, `{"data":{"events":[${two}]}}`],
    [{}, `[${two}]`],
    [{}, two.join('\n')],
  ] as const) {
    const { send, stored } = await vendorService(t, VENDOR, { proof, ...entry })
    t.equal((await send(body, { headers })).status, 204)
    t.equal((await stored()).length, 2)
  }
  const { send } = await vendorService(t, VENDOR, { proof, items: '/data/events' })
  for (const body of [BODY, `[${two}]`, two.join('\n'), '{"data":{"events":{}}}'])
    t.equal((await send(body, { headers })).status, 400, body)
})

t.test('an entry that cannot work is reported at the start, with its position', async (t) => {
  const { user: _, ...withoutUser } = ENTRY
  const { occurredAt: __, ...withoutTime } = ENTRY
  const proof = (different: object) => ({ ...ENTRY, proof: { ...ENTRY.proof, ...different } })
  const timestamp = { header: 'X-Time' }
  for (const [entry, place] of [
    [{ ...ENTRY, secret: 'short' }, '/secret'],
    [{ ...ENTRY, secret: 'line one and\nline two 12345' }, '/secret'],
    [{ ...ENTRY, secrets: [SECRET] }, ''],
    [{ ...ENTRY, secret: undefined }, ''],
    [{ ...ENTRY, secret: undefined, secrets: [] }, '/secrets'],
    [withoutUser, '/user'],
    [{ ...ENTRY, user: { as: 'subject' } }, '/user/from'],
    [{ ...ENTRY, user: { as: 'nobody', from: '{x}' } }, '/user/as'],
    [{ ...ENTRY, type: '{' }, '/type'],
    [{ ...ENTRY, events: {} }, '/events'],
    [{ ...ENTRY, events: { x: 'whim' } }, '/events/x'],
    [{ ...ENTRY, items: 'data' }, '/items'],
    [{ ...ENTRY, occurredAt: '/a~2' }, '/occurredAt'],
    [{ ...ENTRY, more: true }, '/more'],
    [proof({ scheme: 'none' }), '/proof/scheme'],
    [proof({ header: 'X Signature' }), '/proof/header'],
    [proof({ algorithm: 'sha1' }), '/proof/algorithm'],
    [proof({ algorithm: 'md5' }), '/proof/algorithm'],
    [proof({ encoding: 'utf8' }), '/proof/encoding'],
    [proof({ signed: 'nothing' }), '/proof/signed'],
    [proof({ signed: '{body}{body}' }), '/proof/signed'],
    [proof({ signed: '{timestamp}.{body}' }), '/proof/signed'],
    [proof({ timestamp }), '/proof/signed'],
    [proof({ signed: '{timestamp}{body}', timestamp: {} }), '/proof/timestamp'],
    [
      proof({ pair: 'v1', signed: '{timestamp}{body}', timestamp: { ...timestamp, pair: 't' } }),
      '/proof/timestamp',
    ],
    [proof({ signed: '{timestamp}{body}', timestamp: { pair: 't' } }), '/proof/pair'],
    [proof({ pair: 'v 1' }), '/proof/pair'],
    [
      proof({ signed: '{timestamp}{body}', timestamp: { ...timestamp, toleranceSeconds: 0 } }),
      '/proof/timestamp/toleranceSeconds',
    ],
    [{ ...ENTRY, proof: { scheme: 'standard-webhooks' } }, '/proof'],
    [withoutTime, ''],
    [{ ...withoutTime, proof: { scheme: 'static' } }, ''],
  ] as const) {
    const mistakes = await mistakesIn(t, { sources: [entry] })
    t.same(keysOf(mistakes), [`CONFIG_FILE /sources/0${place}`], JSON.stringify(mistakes))
    t.notMatch(JSON.stringify(mistakes), SECRET)
  }
  t.same(await mistakesIn(t, { sources: [ENTRY] }), [])
  t.same(await mistakesIn(t, { sources: [{ ...withoutTime, id: '{id}' }] }), [])
})

t.test(
  'a repeated delivery with an id or a time is recognized; without them, each delivery counts',
  async (t) => {
    const entry = { proof: { scheme: 'static', header: 'X-Token' }, id: '{/meta/id}' }
    const { send, counted } = await vendorService(t, VENDOR, entry)
    const headers = { 'x-token': SECRET }
    const event = { type: 'signed-out', user: 'u1' }
    let accepted = 0
    let replayed = 0
    for (const [more, isRecognized] of [
      [{ meta: { id: 'e1' } }, true],
      [{ at: '2026-05-04T12:00:00Z' }, true],
      [{}, false],
      [{ at: 'some time', meta: {} }, false],
    ] as const) {
      await send({ ...event, ...more }, { headers })
      t.equal((await send({ ...event, ...more }, { headers })).status, 204)
      accepted += isRecognized ? 1 : 2
      replayed += isRecognized ? 1 : 0
      t.same(
        [await counted('accepted'), await counted('replayed')],
        [accepted, replayed],
        JSON.stringify(more),
      )
    }
  },
)
