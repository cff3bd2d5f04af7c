import t from 'tap'
import { loadConfig } from '../../src/config/load-config.ts'
import { COMPLETE, mistakesOf } from '../support/configuration.ts'

t.test("the operators' listener is on loopback by default", async (t) => {
  t.match(await loadConfig({ ...COMPLETE, OPS_PORT: '9000' }), {
    operators: { host: '127.0.0.1', port: 9_000 },
  })
  const other = { OPS_PORT: '0', OPS_HOST: '0.0.0.0' }
  t.match(await loadConfig({ ...COMPLETE, ...other }), { operators: { host: '0.0.0.0', port: 0 } })
  t.equal(
    (await loadConfig({ ...COMPLETE, OPS_PORT: '' })).operators,
    null,
    'an empty value counts as not set',
  )
})

t.test('OPS_HOST without OPS_PORT is a mistake, because all routes would be public', async (t) => {
  t.same(await mistakesOf({ OPS_HOST: '10.0.0.1' }), [
    { key: 'OPS_HOST', expected: 'expected OPS_PORT to be set as well' },
  ])
})

t.test('both listeners at one address are a mistake, except on free ports', async (t) => {
  t.same(await mistakesOf({ OPS_PORT: '3000' }), [
    { key: 'OPS_PORT', expected: 'expected a port other than PORT' },
  ])
  for (const more of [
    { OPS_PORT: '0', PORT: '0' },
    { OPS_PORT: '3000', OPS_HOST: '127.0.0.2' },
  ])
    t.same(await mistakesOf(more), [])
  t.match(await mistakesOf({ OPS_PORT: '65536' }), [{ key: 'OPS_PORT' }])
})
