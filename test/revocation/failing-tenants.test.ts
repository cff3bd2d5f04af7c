import t from 'tap'
import { FailingTenants } from '../../src/revocation/failing-tenants.ts'

const failure = (code: 'CURFEW_QLIK_UNAVAILABLE' | 'CURFEW_QLIK_UNAUTHORIZED') => ({ code, detail: '' })

t.test('a tenant fails after three attempts in a row, until one works', async (t) => {
  const failing = new FailingTenants()
  for (const expected of [null, null, 'tenant-failing', 'tenant-failing']) {
    failing.note('acme', failure('CURFEW_QLIK_UNAVAILABLE'), 0)
    t.equal(failing.hindranceOf('acme', 0), expected)
  }
  t.equal(failing.hindranceOf('other', 0), null)
  failing.note('acme', null, 0)
  t.equal(failing.hindranceOf('acme', 0), null)
})

t.test('a refused client is reported at once', async (t) => {
  const failing = new FailingTenants()
  failing.note('acme', failure('CURFEW_QLIK_UNAUTHORIZED'), 0)
  t.equal(failing.hindranceOf('acme', 0), 'client-refused')
})

t.test('a failure is reported for a little longer than the longest backoff', async (t) => {
  const failing = new FailingTenants()
  failing.note('acme', failure('CURFEW_QLIK_UNAUTHORIZED'), 0)
  t.equal(failing.hindranceOf('acme', 6 * 60_000), 'client-refused')
  t.equal(failing.hindranceOf('acme', 6 * 60_000 + 1), null, 'another process may have found that it works')
})
