import { createHash } from 'node:crypto'
import t from 'tap'
import { parts } from '../../src/parts.ts'
import { fakeClock } from '../support/clock.ts'
import { everyKind, tokenPlayers } from '../support/every-kind.ts'
import { startIssuer } from '../support/issuer.ts'
import { nothingStored } from '../support/problems.ts'
import { ADA, AUDIENCE } from '../support/shared-signals.ts'
import { startWithSources } from '../support/source-service.ts'

/** One issuer and key as a source of every kind, so that only the kind distinguishes its tokens. */
async function start(t: Parameters<typeof startWithSources>[0]) {
  const clock = fakeClock()
  const issuer = await startIssuer(t)
  const fusionauth = { name: 'fusionauth', kind: 'fusionauth', jwksUri: issuer.jwksUri }
  const players = tokenPlayers(issuer, clock)
  const service = await startWithSources(t, [...players.map(({ entry }) => entry), fusionauth], { clock })
  service.sandbox.tenant.addUser({ email: ADA.email })
  return { clock, issuer, players, service }
}

t.test('a token of one protocol is rejected by the others, whatever its typ', async (t) => {
  const { clock, issuer, players, service } = await start(t)
  const body = JSON.stringify({ event: { type: 'user.delete', user: { id: 'u1' } } })
  const others = {
    'an ID token': { nonce: 'n', auth_time: 1, sub: 'u1' },
    'an access token': { client_id: 'c', scope: 'openid', sub: 'u1' },
    'a proof of a body': { request_body_sha256: createHash('sha256').update(body).digest('base64') },
  }
  const iat = Math.floor(clock.now() / 1000)
  const lasting = { iss: issuer.url, aud: AUDIENCE, jti: 'j1', iat, exp: iat + 120 }
  const tokens = [
    ...players.map(({ kind, claims, typ }) => ({ of: kind as string, claims: claims(), typ })),
    ...Object.entries(others).map(([of, claims]) => ({ of, claims: { ...lasting, ...claims }, typ: 'JWT' })),
  ]
  for (const { of, claims, typ } of tokens) {
    for (const said of [typ, 'JWT', 'at+jwt', undefined]) {
      const token = await issuer.sign(claims, { typ: said })
      for (const { kind, path, send, refusal } of players.filter(({ kind }) => kind !== of)) {
        const { status } = await service.call('POST', path, addressed(send(token)))
        t.equal(status, refusal, `${of} as ${said} at ${kind}`)
      }
      if (of === 'a proof of a body') continue
      const headers = { 'content-type': 'application/json', 'x-fusionauth-signature-jwt': token }
      const { status } = await service.call(
        'POST',
        '/sources/fusionauth/webhook',
        addressed({ body, headers }),
      )
      t.equal(status, 401, `${of} as ${said} at fusionauth`)
    }
  }
  await nothingStored(t, service)
})

t.test('a valid request of one source is rejected at the address of another', async (t) => {
  const issuer = await startIssuer(t)
  const kinds = everyKind(issuer)
  const named = parts.sources.flatMap<string>((part) => part.kinds)
  t.same(kinds.map(({ kind }) => kind).sort(), named.sort(), 'every kind is covered')
  const entries = kinds.map(({ entry }) => entry)
  const service = await startWithSources(t, entries)
  service.sandbox.tenant.addUser({ email: ADA.email })
  const way = (path: string) => path.slice(path.lastIndexOf('/'))
  for (const { kind, sign } of kinds) {
    const request = addressed(await sign())
    // Kinds that share a path and a secret cannot be distinguished by the proof.
    for (const other of kinds.filter(({ path }) => !path.includes(`/${kind}/`))) {
      const elsewhere = other.path.replace(
        way(other.path),
        way(kinds.find((one) => one.kind === kind)?.path ?? ''),
      )
      if (way(other.path) === way(elsewhere)) continue
      t.equal((await service.call('POST', elsewhere, request)).status, 404, `${kind}: ${elsewhere}`)
    }
  }
  await nothingStored(t, service)
  for (const { kind, path, sign, answer } of kinds)
    t.equal((await service.call('POST', path, addressed(await sign()))).status, answer, kind)
})

/** Without the API key of other test requests, because sources authenticate themselves. */
function addressed({ body, headers }: { body: string; headers: Record<string, string> }) {
  return { body, headers: { authorization: '', ...headers } }
}
