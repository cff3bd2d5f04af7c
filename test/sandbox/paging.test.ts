import t, { type Test } from 'tap'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { type Json, openSandbox, stoppedClock } from './open-sandbox.ts'

const LIST = '/api/v1/oauth-tokens'

/** A user with tokens, and a function that reads a page of two. */
async function withTokens(t: Test, count: number, options: SandboxOptions = {}) {
  const sandbox = await openSandbox(t, options)
  const user = sandbox.tenant.addUser()
  const ids = sandbox.tenant.issueTokens(user.id, count).map(({ id }) => id)
  const read = async (page?: string | null) => {
    const path = `${LIST}?userId=${user.id}&limit=2${page ? `&page=${page}` : ''}`
    const { status, body } = await sandbox.call('GET', path)
    return { status, body, ids: body.data?.map((row: Json) => row.id), next: pageIn(body.links?.next) }
  }
  return { ...sandbox, user, ids, read }
}

function pageIn(link: Json): string | null {
  return link === undefined ? null : new URL(link.href, 'http://tenant').searchParams.get('page')
}

t.test('pages by offset skip rows that move up when others are revoked', async (t) => {
  const { call, ids, read } = await withTokens(t, 7, { paging: 'offset' })
  const seen: string[] = []
  let page: string | null | undefined
  do {
    const answer = await read(page)
    for (const id of answer.ids) {
      seen.push(id)
      await call('DELETE', `${LIST}/${id}`)
    }
    page = answer.next
  } while (page)
  t.strictSame(seen, [ids[0], ids[1], ids[4], ids[5]], 'two of every four')
})

t.test('pages by offset link forward and back while nothing changes', async (t) => {
  const { ids, read } = await withTokens(t, 5, { paging: 'offset' })
  const first = await read()
  const second = await read(first.next)
  const third = await read(second.next)
  t.strictSame([...first.ids, ...second.ids, ...third.ids], ids)
  t.equal(first.body.links.prev, undefined)
  t.equal(third.next, null)
  t.strictSame((await read(pageIn(third.body.links.prev))).ids, second.ids)
  t.strictSame((await read(pageIn(second.body.links.prev))).ids, first.ids)
})

t.test('a page beyond the end of a shorter listing is empty', async (t) => {
  const { read, tenant, user } = await withTokens(t, 4, { paging: 'offset' })
  const { next } = await read()
  for (const token of tenant.tokensOf(user.id)) tenant.tokens.revoke(token)
  const { status, ids, body } = await read(next)
  t.equal(status, 200)
  t.strictSame(ids, [])
  t.equal(body.links.next, undefined)
  t.ok(body.links.prev)
})

t.test('the kind of paging can change at run time; issued links keep theirs', async (t) => {
  const { ids, read, tenant, user } = await withTokens(t, 6)
  const byKey = (await read()).next
  tenant.settings.paging = 'offset'
  const byOffset = (await read()).next
  const [first] = tenant.tokensOf(user.id)
  if (first) tenant.tokens.revoke(first)
  t.strictSame((await read(byKey)).ids, ids.slice(2, 4))
  t.strictSame((await read(byOffset)).ids, ids.slice(3, 5))
})

t.test('the newest token can come first: one issued while pages are read is on none', async (t) => {
  const { ids, read, tenant, user } = await withTokens(t, 4, { listingOrder: 'newest-first' })
  const first = await read()
  t.strictSame(first.ids, [ids[3], ids[2]])
  const [late] = tenant.issueTokens(user.id)
  const second = await read(first.next)
  t.strictSame(second.ids, [ids[1], ids[0]])
  t.equal(second.next, null)
  t.strictSame((await read(pageIn(second.body.links.prev))).ids, first.ids)
  t.equal((await read()).ids[0], late?.id)
})

t.test('pages by offset repeat a row when one is issued in front of it', async (t) => {
  const { ids, read, tenant, user } = await withTokens(t, 4, {
    listingOrder: 'newest-first',
    paging: 'offset',
  })
  const first = await read()
  tenant.issueTokens(user.id)
  t.strictSame((await read(first.next)).ids, [ids[2], ids[1]])
})

t.test('a page expires', async (t) => {
  const clock = stoppedClock()
  const { ids, read } = await withTokens(t, 4, { now: clock.now, cursorLifetimeMs: 10_000 })
  const { next } = await read()
  clock.time += 9_999
  t.strictSame((await read(next)).ids, ids.slice(2))
  clock.time += 1
  const { status, body } = await read(next)
  t.equal(status, 400)
  t.match(body, { errors: [{ code: 'HTTP-400', detail: /expired/ }] })
  t.equal((await read()).status, 200, 'a new start')
})

t.test('links can become relative, or have another origin, between calls', async (t) => {
  const { read, tenant, url } = await withTokens(t, 3)
  t.match((await read()).body.links.next.href, `${url}/api/v1/oauth-tokens?`, "by default the tenant's own")
  tenant.settings.linkOrigin = ''
  t.match((await read()).body.links.next.href, /^\/api\/v1\/oauth-tokens\?/)
  tenant.settings.linkOrigin = 'https://other.example.invalid'
  t.match((await read()).body.links.next.href, /^https:\/\/other\.example\.invalid\/api\/v1\/oauth-tokens\?/)
})
