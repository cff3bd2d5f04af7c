import type { ErrorCode } from '../../src/base/errors.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { accept, aFailure, claim, eachStore, existing } from './stores.ts'

/** Failed revocations of one tenant, with this error. */
async function fail(store: RevocationStore, tenant: string, code: ErrorCode, count = 1): Promise<string[]> {
  const signals = Array.from({ length: count }, (_, index) =>
    aSignal({ userId: `${code} ${index}`, tenant, acceptedAt: T0 }),
  )
  await store.accept(signals, null, T0)
  const claimed = await claim(store, T0 + 10)
  for (const { id } of claimed)
    await store.end(id, Object.assign(aFailure(), { error: { code, detail: '' } }))
  return claimed.map(({ id }) => id)
}

eachStore(async (t, opened) => {
  t.test('failed revocations are counted by error and tenant', async (t) => {
    const store = await opened(t)
    const [first = '', second = ''] = await fail(store, 'one', 'CURFEW_QLIK_FORBIDDEN', 3)
    await fail(store, 'two', 'CURFEW_QLIK_FORBIDDEN')
    await fail(store, 'two', 'CURFEW_OWN_USER')
    t.same(await store.failureCodes(), ['CURFEW_OWN_USER', 'CURFEW_QLIK_FORBIDDEN'])
    const counted = async (tenants?: string[]) => {
      const { byTenant, isExact } = await store.countFailures({ code: 'CURFEW_QLIK_FORBIDDEN', tenants })
      t.ok(isExact)
      return Object.fromEntries(byTenant)
    }
    t.same(await counted(), { one: 3, two: 1 })
    t.same(await counted(['two', 'three']), { two: 1 })
    t.same(await counted([]), {})
    await store.retry(first, T0 + 20)
    t.same(await counted(), { one: 2, two: 1 }, 'one is queued again')
    await accept(store, { user: existing(await store.get(second)).user, tenant: 'one' })
    await store.retry(second, T0 + 20)
    t.same(await counted(), { one: 1, two: 1 }, 'one is superseded')
  })
})
