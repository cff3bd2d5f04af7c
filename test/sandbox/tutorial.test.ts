import t from 'tap'
import { grantFor, type Json, openSandbox } from './open-sandbox.ts'

/** The headers of every call in the tutorial, including those without a body. */
const JSON_HEADERS = { accept: 'application/json', 'content-type': 'application/json' }

// https://qlik.dev/authenticate/oauth/manage-oauth-tokens/
t.test("the calls of Qlik's tutorial work as documented", async (t) => {
  const { url, client, tenant } = await openSandbox(t, {
    linkOrigin: 'https://mytenant.region.qlikcloud.com',
  })
  const body = JSON.stringify(grantFor(client))
  const grant: Json = await (
    await fetch(`${url}/oauth/token`, { method: 'POST', headers: JSON_HEADERS, body })
  ).json()
  const headers = { ...JSON_HEADERS, authorization: `Bearer ${grant.access_token}` }

  const me: Json = await (await fetch(`${url}/api/v1/users/me`, { headers })).json()
  t.match(me, {
    tenantId: tenant.id,
    clientId: client.id,
    status: 'active',
    subject: `qlikbot\\${client.id}`,
  })

  const list: Json = await (await fetch(`${url}/api/v1/oauth-tokens?userId=${me.id}`, { headers })).json()
  const row = list.data.at(-1)
  t.match(row, {
    tenantId: me.tenantId,
    clientId: client.id,
    userId: me.id,
    description: null,
    deviceType: null,
  })
  t.match(list.links.self.href, 'https://mytenant.region.qlikcloud.com/api/v1/oauth-tokens?userId=')

  const revoked = await fetch(`${url}/api/v1/oauth-tokens/${row.id}`, { method: 'DELETE', headers })
  t.equal(revoked.status, 204)
  t.equal(await revoked.text(), '')
  const after = await fetch(`${url}/api/v1/users/me`, { headers })
  t.equal(after.status, 401, 'future requests made with that token fail')
})
