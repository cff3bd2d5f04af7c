import t from 'tap'
import { RevocationView } from '../../src/revocation/revocation-view.ts'
import { fakeClock } from '../support/clock.ts'
import { isProblem } from '../support/problems.ts'
import { startService } from '../support/service.ts'

t.test('a revocation is returned as in the contract, during the run and after', async (t) => {
  const service = await startService(t)
  service.userWithTokens(2, { id: 'u1' })
  const accepted = await service.call('POST', '/logout-hook', {
    body: { userId: 'u1', deviceType: 'Browser' },
  })
  const { status, headers, json } = await service.call('GET', `/revocations/${accepted.json.id}`, {
    headers: { prefer: 'wait=30' },
  })
  t.equal(status, 200)
  t.equal(headers.get('preference-applied'), 'wait=30')
  for (const shown of [accepted.json, json]) t.same(RevocationView.strict().parse(shown), shown)
  t.match(json, {
    id: accepted.json.id,
    status: 'completed',
    outcome: 'nothing-to-revoke',
    tokens: { kept: 2 },
  })
})

t.test('an unknown id returns 404, whatever its format', async (t) => {
  const { call } = await startService(t)
  const ids = [
    '018f0000-0000-7000-8000-000000000000',
    'nope',
    '%20',
    '..%2f',
    '%00',
    "'; --",
    'x'.repeat(8_000),
  ]
  for (const id of ids) {
    isProblem(t, await call('GET', `/revocations/${id}`), 'CURFEW_UNKNOWN_REVOCATION')
    isProblem(t, await call('POST', `/revocations/${id}/retry`), 'CURFEW_UNKNOWN_REVOCATION')
  }
})

t.test('the list', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const list = async (query = '') => (await service.call('GET', `/revocations${query}`)).json
  t.same(await list(), { items: [], nextCursor: null })

  const ids: string[] = []
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'list' })
  for (let serial = 0; serial < 23; serial += 1) {
    ids.unshift((await service.revoke({ userId: `u${serial % 10}` })).id)
    clock.advance(1)
  }
  const idsOf = ({ items }: { items: { id: string }[] }) => items.map(({ id }) => id)

  await t.test('is sorted newest first, with up to a hundred unless more are requested', async (t) => {
    const { items, nextCursor } = await list()
    t.same(idsOf({ items }), ids)
    t.equal(nextCursor, null)
    t.same(items[0], (await service.call('GET', `/revocations/${ids[0]}`)).json)
    t.same(idsOf(await list('?limit=1000')), ids)
  })

  await t.test('can be read page by page, with each revocation once', async (t) => {
    for (const limit of [1, 5, 22, 23, 24]) {
      const seen: string[] = []
      const sizes: number[] = []
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page: { items: { id: string }[]; nextCursor: string | null } = await list(
          `?limit=${limit}${cursor && `&cursor=${cursor}`}`,
        )
        seen.push(...idsOf(page))
        sizes.push(page.items.length)
        cursor = page.nextCursor
      }
      t.same(seen, ids)
      t.equal(sizes.length, Math.ceil(23 / limit), 'no empty page at the end')
    }
  })

  await t.test('is not shifted by revocations that arrive while it is read', async (t) => {
    const first = await list('?limit=10')
    const { id } = await service.revoke({ userId: 'late' })
    const second = await list(`?limit=10&cursor=${first.nextCursor}`)
    t.same(idsOf(second), ids.slice(10, 20))
    ids.unshift(id)
  })

  await t.test('can be filtered, also page by page', async (t) => {
    t.same(idsOf(await list('?status=failed')), [ids.at(-1)])
    t.same(idsOf(await list('?status=completed')), ids.slice(0, -1))
    t.same(idsOf(await list('?status=queued')), [])
    t.same(idsOf(await list('?status=running')), [])
    t.same(idsOf(await list('?tenant=default')), ids)
    t.same(idsOf(await list('?tenant=elsewhere')), [])
    t.same(idsOf(await list('?userId=u0')), [ids[3], ids[13], ids[23]])
    t.same(idsOf(await list('?userId=u0&status=completed&tenant=default')), [ids[3], ids[13]])
    t.same(idsOf(await list('?userId=nobody')), [])
    const page = await list('?userId=u0&limit=2')
    t.same(idsOf(page), [ids[3], ids[13]])
    t.match(await list(`?userId=u0&limit=2&cursor=${page.nextCursor}`), {
      items: [{ id: ids[23] }],
      nextCursor: null,
    })
  })

  await t.test('can be searched and counted', async (t) => {
    const after = encodeURIComponent(new Date(clock.now() - 2).toISOString())
    t.same(idsOf(await list(`?since=${after}`)), ids.slice(0, 3))
    t.same(idsOf(await list(`?until=${after}`)), ids.slice(3))
    t.same(idsOf(await list('?code=CURFEW_QLIK_FORBIDDEN')), [ids.at(-1)])
    t.same(idsOf(await list('?outcome=no-such-user')), ids.slice(0, -1))
    t.same(idsOf(await list('?outcome=no-matching-user')), [])
    t.same(idsOf(await list('?reason=logout&source=logout-hook')), ids)
    t.same(idsOf(await list('?email=ann%40example.com')), [])
    t.same(idsOf(await list(`?key=${encodeURIComponent('API_KEYS[0]')}`)), ids)
    t.same(idsOf(await list('?key=other')), [])
    const { items, count } = await list('?limit=1&count=true&status=completed')
    t.same(count, { value: ids.length - 1, isExact: true })
    t.match(items, [{ senders: [{ kind: 'api-key', name: 'API_KEYS[0]' }] }])
  })

  await t.test('continues after the cursor, even if its revocation is deleted', async (t) => {
    t.same(await list('?cursor=00000000-0000-0000-0000-000000000000'), { items: [], nextCursor: null })
    t.same(idsOf(await list('?cursor=ffffffff-ffff-ffff-ffff-ffffffffffff')), ids)
  })

  await t.test('rejects invalid parameters', async (t) => {
    const refused: [string, string][] = [
      ['limit=0', 'limit'],
      ['limit=-1', 'limit'],
      ['limit=1001', 'limit'],
      ['limit=1.5', 'limit'],
      ['limit=x', 'limit'],
      ['limit=', 'limit'],
      ['limit=1&limit=2', 'limit'],
      ['limit=999999999999999999999', 'limit'],
      ['status=nope', 'status'],
      ['status=', 'status'],
      ['status=failed&status=queued', 'status'],
      ['tenant=', 'tenant'],
      ['userId=', 'userId'],
      ['userId=a%0Ab', 'userId'],
      [`userId=${'x'.repeat(513)}`, 'userId'],
      ['cursor=', 'cursor'],
      ['cursor=1', 'cursor'],
      ["cursor='%20OR%201=1", 'cursor'],
      ['order=asc', 'order'],
      ['email=nobody', 'email'],
      ['email=a%40b&subject=c', 'userId'],
      ['code=CURFEW_NOPE', 'code'],
      ['outcome=nope', 'outcome'],
      ['since=yesterday', 'since'],
      ['count=maybe', 'count'],
      ['Limit=5', 'Limit'],
      ['__proto__=1', '__proto__'],
    ]
    for (const [query, member] of refused) {
      isProblem(t, await service.call('GET', `/revocations?${query}`), 'CURFEW_REQUEST_INVALID', member)
    }
  })
})
