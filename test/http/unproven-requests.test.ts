import { generateKeyPair, type JWTPayload } from 'jose'
import t from 'tap'
import { tokenPlayers } from '../support/every-kind.ts'
import { startIssuer } from '../support/issuer.ts'
import { nothingStored } from '../support/problems.ts'
import { sendRequest } from '../support/raw-http.ts'
import { ADA } from '../support/shared-signals.ts'
import { startWithSources } from '../support/source-service.ts'

async function start(t: Parameters<typeof startWithSources>[0]) {
  const issuer = await startIssuer(t)
  const players = tokenPlayers(issuer)
  const entries = players.map(({ entry }) => entry)
  const service = await startWithSources(t, entries)
  service.sandbox.tenant.addUser({ email: ADA.email })
  return { issuer, players, service }
}

t.test(
  'a forgery is counted, causes no call to Qlik, and does not use up the id of the valid token',
  async (t) => {
    const { issuer, players, service } = await start(t)
    const { privateKey } = await generateKeyPair('RS256')
    const tokens = players.map((player) => ({ ...player, good: player.claims() as JWTPayload }))
    for (const { kind, path, good, typ, send, refusal } of tokens) {
      const forged = [
        await issuer.sign(good, { typ }, privateKey),
        await issuer.sign({ ...good, aud: 'somebody-else' }, { typ }),
        await issuer.sign({ ...good, iat: Number(good.iat) + 600 }, { typ }),
      ]
      for (const token of forged) {
        const { status } = await service.call('POST', path, send(token))
        t.equal(status, refusal, kind)
      }
      t.match(await service.counts(), { [`${kind} rejected`]: forged.length })
    }
    await nothingStored(t, service)
    const asked = service.sandbox.tenant.calls.filter(({ route }) => route === 'users')
    t.same(asked, [], 'no user was looked for')
    for (const { kind, path, good, typ, send, answer } of tokens)
      t.equal((await service.call('POST', path, send(await issuer.sign(good, { typ })))).status, answer, kind)
  },
)

t.test('a repeated content type is rejected', async (t) => {
  const { players, service } = await start(t)
  for (const { kind, path, sign } of players.filter(({ kind }) => kind !== 'oidc-back-channel-logout')) {
    const { body, headers } = await sign()
    for (const [first, second] of [
      [headers['content-type'], 'text/plain'],
      ['text/plain', headers['content-type']],
    ]) {
      const twice = { ...headers, 'content-type': String(first), 'Content-Type': String(second) }
      t.equal((await sendRequest(service.url, 'POST', path, twice, body)).status, 400, kind)
    }
  }
  await nothingStored(t, service)
})
