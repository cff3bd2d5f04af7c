import t from 'tap'
import { TierBlock } from '../../../src/qlik/budget/tier-block.ts'

/** Events of a tier, in order; `allows` is how many of 9 calls may start after the event. */
type Event = ['block', number] | ['begin', boolean] | ['probed', boolean, boolean]
interface Row {
  now: number
  event?: Event
  allows: number
  until: number | null
}

function follow(t: { equal: (found: unknown, wanted: unknown, message: string) => void }, rows: Row[]) {
  const block = new TierBlock()
  for (const { now, event, allows, until } of rows) {
    const what = `${event?.join(' ') ?? 'time passes'} at ${now}`
    if (event?.[0] === 'block') block.block(event[1])
    if (event?.[0] === 'begin') t.equal(block.begin(), event[1], `${what}: whether it is the probe`)
    if (event?.[0] === 'probed') t.equal(block.probed(event[1], now), event[2], `${what}: whether it opens`)
    t.equal(block.allows(9, now), allows, `${what}: how many may start`)
    t.equal(block.until(now), until, `${what}: until when it is blocked`)
  }
  return block
}

t.test('a tier that was never blocked is open', async (t) => {
  follow(t, [
    { now: 0, allows: 9, until: null },
    { now: 0, event: ['begin', false], allows: 9, until: null },
  ])
})

t.test('after a block one call goes first, and all others once it has passed', async (t) => {
  follow(t, [
    { now: 0, event: ['block', 100], allows: 0, until: 100 },
    { now: 99, allows: 0, until: 100 },
    { now: 100, allows: 1, until: null },
    { now: 500, allows: 1, until: null },
    { now: 500, event: ['begin', true], allows: 0, until: null },
    { now: 510, event: ['probed', true, true], allows: 9, until: null },
    { now: 510, event: ['begin', false], allows: 9, until: null },
  ])
})

t.test('a refused probe blocks the tier again', async (t) => {
  follow(t, [
    { now: 0, event: ['block', 100], allows: 0, until: 100 },
    { now: 100, event: ['begin', true], allows: 0, until: null },
    { now: 110, event: ['block', 210], allows: 0, until: 210 },
    { now: 110, event: ['probed', false, false], allows: 0, until: 210 },
    { now: 210, allows: 1, until: null },
    { now: 210, event: ['begin', true], allows: 0, until: null },
    { now: 220, event: ['probed', true, true], allows: 9, until: null },
  ])
})

t.test('a probe without a response is inconclusive: another one goes', async (t) => {
  follow(t, [
    { now: 0, event: ['block', 100], allows: 0, until: 100 },
    { now: 100, event: ['begin', true], allows: 0, until: null },
    { now: 200, event: ['probed', false, false], allows: 1, until: null },
  ])
})

t.test('a call from before the block that is refused during the probe outweighs its pass', async (t) => {
  follow(t, [
    { now: 0, event: ['block', 100], allows: 0, until: 100 },
    { now: 100, event: ['begin', true], allows: 0, until: null },
    { now: 105, event: ['block', 300], allows: 0, until: 300 },
    { now: 110, event: ['probed', true, false], allows: 0, until: 300 },
    { now: 300, allows: 1, until: null },
  ])
})

t.test('a shorter block does not shorten a longer one', async (t) => {
  follow(t, [
    { now: 0, event: ['block', 100], allows: 0, until: 100 },
    { now: 0, event: ['block', 50], allows: 0, until: 100 },
    { now: 100, allows: 1, until: null },
  ])
})

t.test('no probe goes if the window has no room', async (t) => {
  const block = new TierBlock()
  block.block(100)
  t.equal(block.allows(0, 100), 0)
})
