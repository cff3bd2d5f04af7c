import t from 'tap'
import { FailingTenants } from '../../src/revocation/failing-tenants.ts'

const failure = (code: 'CURFEW_QLIK_UNAVAILABLE' | 'CURFEW_QLIK_UNAUTHORIZED') => ({ code, detail: '' })

t.test('a tenant fails after three attempts in a row, until one works', async (t) => {
  const failing = new FailingTenants()
  for (const expected of [null, null, 'tenant-failing', 'tenant-failing']) {
    failing.note('acme', failure('CURFEW_QLIK_UNAVAILABLE'))
    t.equal(failing.hindranceOf('acme'), expected)
  }
  t.equal(failing.hindranceOf('other'), null)
  failing.note('acme', null)
  t.equal(failing.hindranceOf('acme'), null)
})

t.test('a refused client is reported at once', async (t) => {
  const failing = new FailingTenants()
  failing.note('acme', failure('CURFEW_QLIK_UNAUTHORIZED'))
  t.equal(failing.hindranceOf('acme'), 'client-refused')
})
