import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { canonicalJson } from '../../../src/base/canonical-json.ts'
import { headsSigned } from '../../../src/revocation/audit/signed-heads.ts'
import { anEvent, Trail, verifyLines } from '../../support/audit-export.ts'
import { fakeClock } from '../../support/clock.ts'
import { startService } from '../../support/service.ts'

const [A, B] = ['aaaaaaaa-0000-4000-8000-000000000000', 'bbbbbbbb-0000-4000-8000-000000000000']
const ours = generateKeyPairSync('ed25519')
const another = generateKeyPairSync('ed25519')

/** Two chains; the heads of both are signed on two days. */
function aTrail(key = ours.privateKey): Trail {
  const trail = new Trail()
  trail.list(A, [])
  const heads = [trail.add(A, anEvent()), trail.list(B, [])]
  trail.add(A, headsSigned(heads, '2026-11-27', key))
  trail.add(A, anEvent())
  trail.add(A, headsSigned([trail.add(B, anEvent())], '2026-11-28', key))
  return trail
}

const verified = async (lines: readonly string[], key = ours.publicKey) => {
  const { found, signedDay } = await verifyLines(lines, [], key)
  return { problems: found.map(({ problem }) => problem), signedDay }
}

t.test('signatures of the day are verified with the public key', async (t) => {
  t.same(await verified(aTrail().lines()), { problems: [], signedDay: '2026-11-28' })
  t.same(await verified(aTrail().lines(), another.publicKey), {
    problems: ['signature-invalid', 'signature-invalid', 'unsigned'],
    signedDay: null,
  })
  t.same((await verifyLines(aTrail().lines())).signedDay, null, 'without a key, none is checked')
})

t.test('who cannot sign cannot rewrite what precedes a signature', async (t) => {
  // The trail as it would be with another first event, by somebody with another key.
  const forged = new Trail()
  forged.list(A, [])
  const heads = [forged.add(A, anEvent({ details: { reason: 'forged' } })), forged.list(B, [])]
  const [, , , genuine] = aTrail().entries
  const details = JSON.parse(genuine?.text ?? '').details
  forged.add(A, { ...headsSigned(heads, '2026-11-27', another.privateKey), details })
  t.match(
    (await verified(forged.lines())).problems,
    ['head-differs'],
    'a genuine signature names other heads',
  )
  forged.add(A, headsSigned(heads, '2026-11-28', another.privateKey))
  t.match((await verified(forged.lines())).problems, ['head-differs', 'signature-invalid'])
})

t.test('a signature can be verified without Curfew', async (t) => {
  const { details } = headsSigned(
    [{ writer: A, sequence: 1, hash: 'ab'.repeat(32) }],
    '2026-11-28',
    ours.privateKey,
  )
  const { day, heads, key, signature } = details
  const text = canonicalJson({ day, heads })
  t.ok(verify(null, Buffer.from(text), ours.publicKey, Buffer.from(String(signature), 'base64url')))
  const spki = ours.publicKey.export({ type: 'spki', format: 'der' })
  t.equal(key, createHash('sha256').update(spki).digest('hex'))
})

t.test('the service signs the heads of all chains once a day', async (t) => {
  const clock = fakeClock(Date.UTC(2026, 10, 28, 12))
  const pem = String(ours.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const service = await startService(t, { clock, environment: { AUDIT_SIGNING_KEY: pem } })
  await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })
  const exported = async () => (await service.call('GET', '/audit/export')).text
  const days = async () => [...(await exported()).matchAll(/"day":"([^"]+)"/g)].map(([, day]) => day)
  for (let count = 0; count < 40 && (await days()).length < 2; count += 1) {
    clock.leap(60 * 60_000)
    for (let turn = 0; turn < 50; turn += 1) await nextTurn()
  }
  t.same(await days(), ['2026-11-28', '2026-11-29'])
  const lines = (await exported()).split(/(?<=\n)/).filter((line) => line !== '')
  t.match(await verified(lines, createPublicKey(ours.privateKey)), { problems: [], signedDay: '2026-11-29' })
  const logged = service.logLines.filter((line) => line.includes('signed the heads of the audit trail'))
  t.equal(logged.length, 2)
  t.notMatch(service.logLines.join(''), 'PRIVATE KEY')
})
