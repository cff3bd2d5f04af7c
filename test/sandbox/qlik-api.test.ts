import { createServer } from 'node:http'
import { createQlikApi } from '@qlik/api'
import type { GetOauthTokensHttpResponse as ListAnswer } from '@qlik/api/oauth-tokens'
import type { GetUsersHttpResponse as UsersAnswer } from '@qlik/api/users'
import t from 'tap'
import { listen } from '../support/listen.ts'
import { type OpenSandbox, openSandbox } from './open-sandbox.ts'

/** Qlik's own client, as an M2M client of the sandbox. It uses plain http if the host says so. */
function qlikApi({ url, client }: OpenSandbox) {
  return createQlikApi({
    hostConfig: {
      host: url,
      authType: 'oauth2',
      clientId: client.id,
      clientSecret: client.secret,
      scope: 'admin_classic',
    },
  })
}

t.test("Qlik's client finds a user and revokes the user's tokens", async (t) => {
  const sandbox = await openSandbox(t)
  const { tenant } = sandbox
  const user = tenant.addUser({ email: 'ann@example.com' })
  tenant.issueTokens(user.id, 3)
  const qlik = qlikApi(sandbox)

  const me = await qlik.users.getMyUser()
  t.match(me.data, { id: sandbox.client.userId, clientId: sandbox.client.id })
  const found = await qlik.users.getUsers({ filter: 'email eq "ann@example.com"' })
  t.match(found.data, { data: [{ id: user.id }] })

  const listed = await qlik.oauthTokens.getOauthTokens({ userId: user.id, limit: 100 })
  t.equal(listed.data.data.length, 3)
  for (const { id } of listed.data.data) {
    const { status } = await qlik.oauthTokens.deleteOauthToken(id)
    t.equal(status, 204)
  }
  t.strictSame(tenant.tokensOf(user.id), [])
  const routes = tenant.calls.map(({ route }) => route).filter((route) => route !== 'unknown')
  t.strictSame(routes, ['token', 'me', 'user', 'users', 'list', 'revoke', 'revoke', 'revoke'])
})

t.test("Qlik's client throws if the tenant rejects a call", async (t) => {
  const sandbox = await openSandbox(t, { tier2Limit: 2, tenantLimitShare: null })
  const qlik = qlikApi(sandbox)
  const refusal = () => qlik.oauthTokens.deleteOauthToken('unknown').catch((error: unknown) => error)
  t.match(await refusal(), { status: 404, data: { errors: [{ status: '404' }] } })
  t.match(await refusal(), { status: 429, data: { errors: [{ code: 'HTTP-429' }] } })
})

t.test("Qlik's client renews an expired access token", async (t) => {
  const sandbox = await openSandbox(t)
  const qlik = qlikApi(sandbox)
  await qlik.oauthTokens.getOauthTokens({})
  sandbox.tenant.expireAccessTokens(sandbox.client.id)
  const { status } = await qlik.oauthTokens.getOauthTokens({}, { noCache: true })
  t.equal(status, 200)
})

t.test("Qlik's client reads all pages of tokens and of users, forward and back", async (t) => {
  const sandbox = await openSandbox(t)
  const { tenant } = sandbox
  const users = Array.from({ length: 5 }, (_, index) => tenant.addUser({ name: `User ${index}` }))
  const tokens = tenant.issueTokens(users[0]?.id ?? '', 5)
  const qlik = qlikApi(sandbox)

  const listed: string[] = []
  let list: ListAnswer | undefined = await qlik.oauthTokens.getOauthTokens({ userId: users[0]?.id, limit: 2 })
  for (; list; list = await list.next?.()) listed.push(...list.data.data.map(({ id }) => id))
  t.strictSame(
    listed,
    tokens.map(({ id }) => id),
  )

  const found: string[] = []
  const query = { limit: 2, sort: '-name', fields: 'id,name', totalResults: true } as const
  let page: UsersAnswer | undefined = await qlik.users.getUsers(query)
  let last = page
  for (; page; page = await page.next?.()) {
    t.equal(page.data.totalResults, 6)
    found.push(...(page.data.data ?? []).map(({ name }) => name))
    last = page
  }
  t.strictSame(found, ['User 4', 'User 3', 'User 2', 'User 1', 'User 0', `OAuth client ${sandbox.client.id}`])
  const previous = await last.prev?.()
  t.strictSame(
    previous?.data.data,
    [2, 1].map((index) => ({ id: users[index]?.id, name: `User ${index}` })),
  )
})

t.test("Qlik's client counts the users", async (t) => {
  const sandbox = await openSandbox(t)
  sandbox.tenant.addUser()
  const qlik = qlikApi(sandbox)
  t.strictSame((await qlik.users.countUsers({})).data, { total: 2 })
  t.strictSame((await qlik.users.countUsersWithoutQuery()).data, { total: 2 })
})

t.test("Qlik's client sends its access token to any host in a link", async (t) => {
  const asked: (string | undefined)[] = []
  const foreign = createServer((request, answer) => {
    asked.push(request.headers.authorization)
    answer.setHeader('content-type', 'application/json').end('{}')
  })
  t.teardown(() => foreign.close().closeAllConnections())
  const sandbox = await openSandbox(t, { linkOrigin: `http://127.0.0.1:${await listen(foreign)}` })
  const user = sandbox.tenant.addUser()
  sandbox.tenant.issueTokens(user.id, 2)
  const page = await qlikApi(sandbox).oauthTokens.getOauthTokens({ userId: user.id, limit: 1 })
  await page.next?.()
  t.match(asked, [/^Bearer \S+$/])
})
