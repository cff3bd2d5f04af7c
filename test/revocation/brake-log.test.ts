import t from 'tap'
import { BrakeLog } from '../../src/revocation/brake-log.ts'
import { newHeld, newRevocation } from '../../src/revocation/transitions.ts'
import { fakeClock } from '../support/clock.ts'
import { AN_ORIGIN, aSignal } from '../support/signals.ts'

function setUp() {
  const clock = fakeClock()
  const lines: object[] = []
  const log = { info: () => {}, error: () => {}, warn: (details: object) => void lines.push(details) }
  const brakeLog = new BrakeLog({ limits: { users: 7, windowMs: 1_000 }, clock, log })
  const hold = (count: number, name = 'idp') => {
    const revocations = Array.from({ length: count }, () => newHeld('1', aSignal(), AN_ORIGIN))
    brakeLog.note({ revocations, replayed: false, isBraked: true }, { ...AN_ORIGIN, name })
  }
  return { clock, lines, brakeLog, hold }
}

const line = (more: object) => ({ sender: 'idp', kind: 'api-key', limit: 7, windowMs: 1_000, ...more })

t.test('it logs the first held signals at once, and later ones once per minute and sender', async (t) => {
  const { clock, lines, hold } = setUp()
  hold(2)
  hold(3)
  hold(1, 'other')
  t.same(lines.splice(0), [line({ held: 2 }), line({ held: 1, sender: 'other' })])
  clock.advance(59_999)
  hold(1)
  t.same(lines, [])
  clock.advance(1)
  t.same(lines.splice(0), [line({ held: 4 })])
  clock.advance(60_000)
  t.same(lines, [], 'no line without held signals')
  hold(1)
  t.same(lines.splice(0), [line({ held: 1 })])
})

t.test('it logs what only would have been held', async (t) => {
  const { lines, brakeLog } = setUp()
  const revocations = [newRevocation('1', aSignal())]
  brakeLog.note({ revocations, replayed: false }, AN_ORIGIN)
  brakeLog.note({ revocations, replayed: false, isBraked: true }, { ...AN_ORIGIN, name: 'idp' })
  t.same(lines, [line({ passed: 1 })])
})

t.test('it sets no timer after its stop', async (t) => {
  const { clock, lines, brakeLog, hold } = setUp()
  hold(1)
  hold(1)
  brakeLog.stop()
  clock.advance(60_000)
  t.equal(lines.length, 1)
  t.equal(clock.untilNextTimer(), null)
})
