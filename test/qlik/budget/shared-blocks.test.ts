import t from 'tap'
import type { PermitExchange, SharedBlock } from '../../../src/qlik/budget/permit-log.ts'
import { SharedBlocks } from '../../../src/qlik/budget/shared-blocks.ts'
import { fakeClock } from '../../support/clock.ts'

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
const KEY = { origin: 'https://a', client: 'c', tier: 2 } as const

t.test('blocks are read now and every two seconds, and end by themselves', async (t) => {
  const clock = fakeClock()
  const answers: (SharedBlock[] | Error)[] = [[{ ...KEY, ms: 5_000 }], new Error('away'), []]
  const warnings: unknown[] = []
  const log = { info: () => {}, error: () => {}, warn: (details: object) => warnings.push(details) }
  const permits: PermitExchange = {
    exchange: () => Promise.reject(new Error('not asked for')),
    block: async () => {},
    async blocks() {
      const answer = answers.shift() ?? [{ ...KEY, ms: 1_000 }]
      if (answer instanceof Error) throw answer
      return answer
    },
  }
  const blocks = new SharedBlocks({ permits, clock, log })
  t.equal(blocks.until(KEY), null)
  await blocks.start()
  t.equal(blocks.until(KEY), clock.now() + 5_000)
  for (const other of [{ origin: 'https://b' }, { client: 'd' }, { tier: 1 }] as const)
    t.equal(blocks.until({ ...KEY, ...other }), null)
  clock.advance(2_000)
  await settle()
  t.equal(blocks.until(KEY), clock.now() + 3_000, 'known blocks stay while the database is unavailable')
  t.equal(warnings.length, 1)
  clock.advance(1_999)
  await settle()
  t.not(blocks.until(KEY), null)
  clock.advance(1)
  await settle()
  t.equal(blocks.until(KEY), null, 'a probe has passed')
  clock.advance(2_000)
  await settle()
  t.not(blocks.until(KEY), null)
  clock.advance(1_000)
  t.equal(blocks.until(KEY), null)
  blocks.stop()
  t.equal(clock.untilNextTimer(), null)
})
