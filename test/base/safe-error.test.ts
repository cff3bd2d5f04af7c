import t from 'tap'
import { CurfewError } from '../../src/base/errors.ts'
import { safeError } from '../../src/base/log.ts'
import { QlikFailure } from '../../src/revocation/qlik-tenant.ts'

t.test("Curfew's own errors are logged with their message and code", async (t) => {
  t.match(safeError(new CurfewError('CURFEW_NOT_FOUND', 'told')), {
    type: 'CurfewError',
    code: 'CURFEW_NOT_FOUND',
    message: 'told',
    stack: /^ +at .*safe-error\.test\.ts/,
  })
  t.match(safeError(new QlikFailure('forbidden', 'told')), { type: 'QlikFailure', message: 'told' })
})

t.test('other errors are logged with type, code and stack only', async (t) => {
  const message = 'secret\n    at secret (secret:1:1)\n    at secret'
  const error = Object.assign(new SyntaxError(message), {
    code: 'E_CODE',
    body: 'secret',
    headers: { a: 'secret' },
  })
  const safe = safeError(error)
  t.same(Object.keys(safe), ['type', 'code', 'stack'])
  t.match(safe, { type: 'SyntaxError', code: 'E_CODE', stack: /^ +at .*safe-error\.test\.ts/ })
  t.notMatch(JSON.stringify(safe), 'secret')
})

t.test('causes are logged in the same way, up to a maximum depth', async (t) => {
  const cause = new Error('secret', { cause: new TypeError('secret', { cause: 'secret' }) })
  const safe = safeError(new CurfewError('CURFEW_INTERNAL', 'told', { cause }))
  t.match(safe, {
    message: 'told',
    cause: { type: 'Error', cause: { type: 'TypeError', cause: { type: 'string' } } },
  })
  t.notMatch(JSON.stringify(safe), 'secret')
  const circular = new Error('secret')
  circular.cause = circular
  t.ok(JSON.stringify(safeError(circular)).length < 10_000)
})

t.test('a value that is not an error is logged by its type only', async (t) => {
  for (const thrown of ['secret', 7, null, undefined, { message: 'secret' }]) {
    t.same(safeError(thrown), { type: typeof thrown })
  }
})
