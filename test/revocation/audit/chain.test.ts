import { createHash } from 'node:crypto'
import t from 'tap'
import { append, emptyChain, headOf } from '../../../src/revocation/audit/chain.ts'
import { type AuditEvent, Entry } from '../../../src/revocation/audit/entry.ts'
import { endEvents } from '../../../src/revocation/audit/events.ts'
import { claim, end, newRevocation } from '../../../src/revocation/transitions.ts'
import { aCompletion, PROOF } from '../../conformance/stores.ts'
import { aSignal, T0 } from '../../support/signals.ts'

const WRITER = '6f1c1f0e-0000-4000-8000-000000000000'
const SALT = 'ab'.repeat(32)
const EVENT: AuditEvent = {
  event: 'signal-accepted',
  by: { kind: 'api-key', name: 'backend', id: 'a1' },
  address: '127.0.0.1',
  tenant: 'default',
  revocation: '0193',
  details: { reason: 'logout', occurredAt: T0 },
  personal: { user: { kind: 'email', value: 'ann@example.com' } },
}
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')

t.test('the hash of an entry is that of its canonical JSON, without personal data', async (t) => {
  const { entries } = append(emptyChain(WRITER), [EVENT], T0, () => SALT)
  const [stored] = entries
  t.equal(stored?.private, `{"salt":"${SALT}","user":{"kind":"email","value":"ann@example.com"}}`)
  const digest = hashOf(stored?.private ?? '')
  const text =
    '{"address":"127.0.0.1","at":1795262400000,"by":{"id":"a1","kind":"api-key","name":"backend"},' +
    '"details":{"occurredAt":1795262400000,"reason":"logout"},"event":"signal-accepted","previous":null,' +
    `"private":"${digest}","revocation":"0193","sequence":1,"tenant":"default","v":1,"writer":"${WRITER}"}`
  t.equal(stored?.text, text)
  t.equal(stored?.hash, hashOf(text))
  t.strictSame(Entry.parse(JSON.parse(text)), stored?.entry)
})

t.test('each entry contains the hash of the previous one, across calls', async (t) => {
  const first = append(emptyChain(WRITER), [EVENT, { ...EVENT, personal: null }], T0, () => SALT)
  const second = append(first.end, [EVENT], T0 + 1, () => SALT)
  const all = [...first.entries, ...second.entries]
  t.same(
    all.map(({ entry }) => [entry.sequence, entry.previous]),
    [
      [1, null],
      [2, all[0]?.hash],
      [3, all[1]?.hash],
    ],
  )
  t.equal(all[1]?.private, null)
  t.equal(all[1]?.entry.private, null)
  const [last] = second.entries
  if (last) t.same(second.end, headOf(last))
})

t.test('an entry has its own salt, so that equal names have different digests', async (t) => {
  let count = 0
  const newSalt = () => String(count++).padStart(64, '0')
  const { entries } = append(emptyChain(WRITER), [EVENT, EVENT], T0, newSalt)
  t.not(entries[0]?.entry.private, entries[1]?.entry.private)
})

t.test('no events leave the chain as it is', async (t) => {
  const end = emptyChain(WRITER)
  t.same(
    append(end, [], T0, () => SALT),
    { end, entries: [] },
  )
})

t.test('a scope that is not well-formed has a canonical form in an entry', async (t) => {
  const proof = { ...PROOF, scope: 'a\ud800' }
  const ended = end(claim(newRevocation('id', aSignal()), T0), aCompletion({ proof }))
  const { entries } = append(emptyChain('w'), endEvents(ended), T0, () => '0'.repeat(64))
  t.match(entries[1]?.entry, { event: 'revocation-verified', details: { proof: { scope: 'a\ufffd' } } })
})
