import t from 'tap'
import { listAll, onlyClient } from '../../src/revocation/listing.ts'
import type { CallOptions } from '../../src/revocation/qlik-tenant.ts'
import { RunTime } from '../../src/revocation/run-time.ts'
import { openRuns } from '../support/runs.ts'

const USERS = ['u1', 'u2'].map((id) => ({ id, isOwn: false }))

t.test('one client makes a listing of several users and pages, and its repetition', async (t) => {
  const { qlik, clock, revocation } = await openRuns(t)
  const asked: Pick<CallOptions, 'client' | 'preferredClient'>[] = []
  const next: Record<string, string | null> = { first: 'second', second: null }
  let preferred = 'a'
  const tenant = {
    listTokens: async (_userId: string, page: string | null, { client, preferredClient }: CallOptions) => {
      asked.push({ client, preferredClient })
      const by = page === null ? preferred : (client ?? 'any')
      return { tokens: [], next: next[page ?? 'first'] ?? null, scope: 'admin_classic', client: by }
    },
  }
  const time = new RunTime(revocation({ reason: 'security' }), {
    clock,
    tenant: qlik,
    storeClock: () => null,
  })
  const options = { clock, time, urgency: 0, signal: new AbortController().signal }
  const first = await listAll(USERS, null, tenant, options)
  const onAny = { client: undefined, preferredClient: undefined }
  const onPreferred = { client: undefined, preferredClient: 'a' }
  const onlyOnA = { client: 'a', preferredClient: 'a' }
  t.same(asked.splice(0), [onAny, { ...onAny, client: 'a' }, onPreferred, onlyOnA])
  t.equal(onlyClient(first), 'a')
  const second = await listAll(USERS, first, tenant, options)
  t.same(asked.splice(0), [onPreferred, onlyOnA, onPreferred, onlyOnA])
  t.equal(second.listings, 2)
  // The client is refused: another one makes the next listing, which begins to count again.
  preferred = 'b'
  const third = await listAll(USERS, second, tenant, options)
  t.equal(onlyClient(third), 'b')
  t.equal(third.listings, 1)
})
