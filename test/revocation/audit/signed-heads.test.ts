import { createHash, generateKeyPairSync, verify } from 'node:crypto'
import t from 'tap'
import { canonicalJson } from '../../../src/base/canonical-json.ts'
import type { AuditEvent } from '../../../src/revocation/audit/entry.ts'
import { anEvent, Trail, verifyLines } from '../../support/audit-export.ts'
import { KEYS, signedOn } from '../../support/signing.ts'

const [A, B] = ['aaaaaaaa-0000-4000-8000-000000000000', 'bbbbbbbb-0000-4000-8000-000000000000']
const another = generateKeyPairSync('ed25519')

/** Two chains; the heads of both are signed on two days. */
function aTrail(first = KEYS.privateKey, second = first): Trail {
  const trail = new Trail()
  trail.list(A, [])
  const heads = [trail.add(A, anEvent()), trail.list(B, [])]
  trail.add(A, signedOn(27, heads, [], { key: first }))
  trail.add(A, anEvent())
  trail.add(A, signedOn(28, [trail.add(B, anEvent())], [], { key: second }))
  return trail
}

const verified = async (trail: Trail, ...keys: (typeof KEYS.publicKey)[]) => {
  const { found, signedDays } = await verifyLines(trail.lines(), [], ...keys)
  return { problems: found.map(({ problem }) => problem), signedDays }
}

t.test('signatures of the day are verified with the public key', async (t) => {
  const days = ['2026-11-27', '2026-11-28']
  t.same(await verified(aTrail(), KEYS.publicKey), { problems: [], signedDays: days })
  t.same(await verified(aTrail()), { problems: [], signedDays: [] }, 'without a key, none is checked')
  const { found } = await verifyLines(aTrail().lines(), [], another.publicKey)
  t.same(
    found.map(({ problem }) => problem),
    ['key-unknown', 'key-unknown', 'unsigned'],
  )
  t.match(found, [{ detail: /--public-key/ }, {}, { detail: /AUDIT_SIGNING_KEY/ }])
})

t.test('after a rotation, each signature is verified with its own key', async (t) => {
  const rotated = aTrail(another.privateKey, KEYS.privateKey)
  const days = ['2026-11-27', '2026-11-28']
  t.same(await verified(rotated, KEYS.publicKey, another.publicKey), { problems: [], signedDays: days })
  t.same(await verified(rotated, KEYS.publicKey), { problems: ['key-unknown'], signedDays: ['2026-11-28'] })
})

t.test('who cannot sign cannot rewrite what precedes a signature', async (t) => {
  // The trail as it would be with another first event, by somebody with another key.
  const forged = new Trail()
  forged.list(A, [])
  const heads = [forged.add(A, anEvent({ details: { reason: 'forged' } })), forged.list(B, [])]
  const [, , , genuine] = aTrail().entries
  const details = JSON.parse(genuine?.text ?? '').details
  forged.add(A, { ...signedOn(27, heads), details })
  t.match(
    (await verified(forged, KEYS.publicKey)).problems,
    ['head-differs'],
    'a genuine signature names other heads',
  )
  const { key } = details
  const claimed = signedOn(28, heads, [], { key: another.privateKey })
  forged.add(A, { ...claimed, details: { ...claimed.details, key } })
  t.match((await verified(forged, KEYS.publicKey)).problems, ['head-differs', 'signature-invalid'])
})

t.test('nor by appending to the rewritten chain and waiting for the next signature', async (t) => {
  const [, original] = aTrail().entries
  const head = { writer: A, sequence: 2, hash: original?.hash ?? '' }
  const forged = new Trail()
  forged.list(A, [])
  forged.add(A, anEvent({ details: { reason: 'forged' } }))
  const appended = forged.add(A, anEvent())
  forged.list(B, [])
  forged.add(B, signedOn(27, [head]), signedOn(28, [appended]))
  t.same((await verified(forged, KEYS.publicKey)).problems, ['head-differs'])
})

t.test('no signed member can be changed', async (t) => {
  const event = signedOn(27, [{ writer: A, sequence: 1, hash: 'ab'.repeat(32) }])
  const changes: AuditEvent['details'][] = [
    { day: '2026-11-28' },
    { heads: [] },
    { deletable: [{ writer: A, sequence: 1 }] },
    { retentionDays: 1 },
    { signature: 1 },
    { day: 'today' },
  ]
  for (const changed of changes) {
    const trail = new Trail()
    trail.list(A, [])
    trail.add(A, { ...event, details: { ...event.details, ...changed } })
    const { problems } = await verified(trail, KEYS.publicKey)
    t.same(problems, ['signature-invalid', 'unsigned'], JSON.stringify(changed))
  }
})

t.test('a signature can be verified without Curfew', async (t) => {
  const head = { writer: A, sequence: 1, hash: 'ab'.repeat(32) }
  const { key, signature, ...statement } = signedOn(28, [head], [head]).details
  t.same(Object.keys(statement).sort(), ['day', 'deletable', 'heads', 'retentionDays'])
  const text = Buffer.from(canonicalJson(statement))
  t.ok(verify(null, text, KEYS.publicKey, Buffer.from(String(signature), 'base64url')))
  const spki = KEYS.publicKey.export({ type: 'spki', format: 'der' })
  t.equal(key, createHash('sha256').update(spki).digest('hex'))
})
