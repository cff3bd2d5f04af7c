import t from 'tap'
import { VENDORS, type Vendor } from '../../../src/sandbox/identity-provider/vendors.ts'
import { webhookForgeries } from '../../../src/sandbox/identity-provider/webhook-forgeries.ts'
import { fakeClock } from '../../support/clock.ts'
import { isProblem, nothingStored } from '../../support/problems.ts'
import { sendRequest } from '../../support/raw-http.ts'
import { PATH, vendorService } from '../../support/vendor-service.ts'

t.jobs = 1

for (const vendor of VENDORS) {
  t.test(`${vendor.kind}: its documented body ends the session of its user`, async (t) => {
    const { send, stored, counted } = await vendorService(t, vendor)
    const reply = await send(vendor.sample('e1'))
    t.equal(reply.status, vendor.answer, reply.text)
    t.equal(reply.text, '', 'the body is empty')
    const { user, ...rest } = vendor.expected
    t.match(await stored(), [{ ...rest, user: { [user.kind]: user.value }, source: 'the-source' }])
    t.equal(await counted('accepted'), 1)
    t.equal(await counted('ignored'), 0)
  })

  t.test(`${vendor.kind}: a repeated delivery counts once`, async (t) => {
    const { service, send, counted } = await vendorService(t, vendor)
    const body = JSON.stringify(vendor.sample('e1'))
    const headers = await vendor.sign(body, { secret: vendor.secret, at: Date.now() })
    for (const _ of [1, 2, 3]) t.equal((await send(body, { headers })).status, vendor.answer)
    t.equal(await counted('accepted'), 1)
    t.equal(await counted('replayed'), 2)
    t.equal((await service.stored()).length, 1)
  })

  t.test(`${vendor.kind}: every forgery is rejected, and nothing is stored`, async (t) => {
    const clock = fakeClock()
    const { service, send, counted } = await vendorService(t, vendor, {}, { clock })
    const body = vendor.sample('forged')
    const forged = await webhookForgeries(vendor, JSON.stringify(body), {
      secret: vendor.secret,
      now: clock.now(),
    })
    for (const { name, ...different } of forged) {
      t.comment(name)
      isProblem(t, await send(body, different), 'CURFEW_SOURCE_UNPROVEN')
    }
    await nothingStored(t, service)
    t.equal(await counted('rejected'), forged.length)
    t.equal(await counted('accepted'), 0)
  })

  t.test(`${vendor.kind}: a repeated proof header, one of them invalid, is rejected`, async (t) => {
    const { service, send } = await vendorService(t, vendor)
    const text = JSON.stringify(vendor.sample('twice'))
    const good = await vendor.sign(text, { secret: vendor.secret, at: Date.now() })
    const bad = await vendor.sign(text, { secret: vendor.otherSecret, at: Date.now() })
    for (const isGoodFirst of [true, false]) {
      const [first, second] = isGoodFirst ? [good, bad] : [bad, good]
      const name = vendor.proofHeader
      const others = Object.fromEntries(Object.entries(good).filter(([header]) => header !== name))
      const headers = {
        'content-type': 'application/json',
        ...others,
        [name]: String(first?.[name]),
        [name.toUpperCase()]: String(second?.[name]),
      }
      const { status } = await sendRequest(service.url, 'POST', PATH, headers, text)
      // With Standard Webhooks, one valid signature is enough, for rotations. No other scheme allows that.
      t.equal(status, vendor.takesOneOfTwo ? vendor.answer : 401, isGoodFirst ? 'good, bad' : 'bad, good')
    }
    if (!vendor.takesOneOfTwo) await nothingStored(t, service)
    t.equal((await send(vendor.sample('after'))).status, vendor.answer)
  })

  t.test(`${vendor.kind}: an authenticated but invalid body is rejected`, async (t) => {
    const { service, send } = await vendorService(t, vendor)
    const bodies: [string, string][] = [
      ['not JSON', '{"type":'],
      ['empty', ''],
      ['null', 'null'],
      ['a number', '7'],
      ['a list of numbers', '[1,2]'],
      ['nested deeply', '['.repeat(200_000)],
      ['nested deeply and closed', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ]
    for (const [name, body] of bodies) {
      const { status, json } = await send(body)
      t.equal(status, 400, name)
      t.match(json, { code: /^CURFEW_(BODY_UNREADABLE|REQUEST_INVALID)$/ })
    }
    const sample = JSON.stringify(vendor.sample('e1'))
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp'])
      isProblem(t, await send(sample, { headers: { 'content-type': type } }), 'CURFEW_MEDIA_TYPE')
    isProblem(t, await send('x'.repeat(1024 * 1024 + 1)), 'CURFEW_BODY_TOO_LARGE')
    await nothingStored(t, service)
    t.equal((await send(sample)).status, vendor.answer, 'it keeps serving')
  })

  t.test(`${vendor.kind}: a member that would poison a prototype does not block the logout`, async (t) => {
    const { stored, send } = await vendorService(t, vendor)
    for (const member of ['"__proto__":{"admin":true}', '"constructor":{"prototype":{"admin":true}}'])
      t.equal((await send(poisoned(vendor, member))).status, vendor.answer, member)
    t.equal((await stored()).length > 0, true)
    t.notOk('admin' in {})
  })

  t.test(`${vendor.kind}: during a rotation, either of two secrets is accepted`, async (t) => {
    const { secret, otherSecret } = vendor
    const { send } = await vendorService(t, vendor, { secret: undefined, secrets: [secret, otherSecret] })
    for (const [index, one] of [secret, otherSecret].entries())
      t.equal((await send(vendor.sample(`e${index}`), { secret: one })).status, vendor.answer)
  })
}

/** The documented body with an additional member in its first object. */
function poisoned(vendor: Vendor, memberText: string): string {
  return JSON.stringify(vendor.sample('poisoned')).replace('{', `{${memberText},`)
}
