import t from 'tap'
import { CurfewError } from '../../src/base/errors.ts'
import { addressKey, FailedAttempts } from '../../src/http/failed-attempts.ts'
import { fakeClock } from '../support/clock.ts'

t.test('IPv6 addresses count by their /64 network, in any spelling', async (t) => {
  for (const [address, key] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:DB8:0:0:ffff::', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['', ''],
    [null, ''],
    ['x'.repeat(9_000), 'x'.repeat(64)],
  ] as const)
    t.equal(addressKey(address), key, String(address))
})

t.test('only failed authentications count, and the memory for addresses is limited', async (t) => {
  const failures = new FailedAttempts({ perMinute: 1, clock: fakeClock(), refused: () => {} })
  const failed = new CurfewError('CURFEW_SIGNATURE_INVALID')
  for (const other of [
    new CurfewError('CURFEW_REQUEST_INVALID'),
    new CurfewError('CURFEW_TOKEN_REPLAYED'),
    new Error(),
  ])
    t.equal(failures.judge('192.0.2.1', other), other)
  t.equal(failures.judge('192.0.2.1', failed), failed)
  t.match(failures.judge('192.0.2.1', failed), { code: 'CURFEW_TOO_MANY_FAILURES', retryAfterSeconds: 60 })
  for (let index = 0; index < 10_000; index += 1) failures.judge(`host-${index}`, failed)
  t.equal(failures.of('192.0.2.1'), 0, 'forgotten')
  t.equal(failures.of('host-9999'), 1)
})
