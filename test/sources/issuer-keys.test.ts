import t, { type Test } from 'tap'
import {
  COOLDOWN_MS,
  FAILURE_COOLDOWN_MS,
  FRESH_FOR_MS,
  VALID_FOR_MS,
} from '../../src/sources/token/key-set.ts'
import { agingClock, fakeClock } from '../support/clock.ts'
import { tokenPlayers } from '../support/every-kind.ts'
import { type Issuer, issuerKey, JWKS, sign, startIssuer } from '../support/issuer.ts'
import { nothingStored } from '../support/problems.ts'
import { ADA } from '../support/shared-signals.ts'
import { startWithSources } from '../support/source-service.ts'

t.test('each kind of token survives an outage and a rotation of its keys', async (t) => {
  const issuer = await startIssuer(t)
  const players = tokenPlayers(issuer)
  const clock = agingClock()
  const service = await startWithSources(
    t,
    players.map(({ entry }) => entry),
    { clock },
  )
  service.sandbox.tenant.addUser({ email: ADA.email })
  const next = await issuerKey('k2', 'RS256')
  const sent = async ({ path, claims, typ, send }: (typeof players)[number], isNext = false) => {
    const token = await sign(isNext ? next : issuer.key, claims(), { typ })
    return service.call('POST', path, send(token))
  }
  for (const player of players) t.equal((await sent(player)).status, player.answer, player.kind)

  issuer.answer(JWKS, (_, response) => response.writeHead(500).end())
  clock.age(FRESH_FOR_MS + 1)
  for (const player of players)
    t.equal((await sent(player)).status, player.answer, `${player.kind}: by the keys that are known`)
  clock.age(VALID_FOR_MS)
  for (const player of players) {
    const reply = await sent(player)
    t.equal(reply.status, 503, `${player.kind}: they are too old`)
    t.equal(reply.headers.get('retry-after'), '5', player.kind)
  }

  issuer.keys = [next.jwk]
  issuer.answer(JWKS, null)
  clock.age(FAILURE_COOLDOWN_MS)
  for (const player of players) {
    t.equal((await sent(player, true)).status, player.answer, `${player.kind}: by the new key`)
    t.equal((await sent(player)).status, 503, `${player.kind}: the old key may be a new one`)
    clock.age(COOLDOWN_MS)
    t.equal((await sent(player)).status, player.refusal, `${player.kind}: by the old key no more`)
  }
  const accepted = players.map(({ kind }) => [`${kind} accepted`, 3])
  t.match(await service.counts(), Object.fromEntries(accepted))
})

/** The discovery document that each kind uses. */
const WELL_KNOWN = {
  'oidc-back-channel-logout': 'openid-configuration',
  'global-token-revocation': 'openid-configuration',
  'shared-signals': 'ssf-configuration',
}

/** The service with a source of this kind that finds its keys by discovery. */
async function start(t: Test, kind: string, wellKnown: string) {
  const clock = fakeClock()
  const issuer = await startIssuer(t, { wellKnown })
  const player = tokenPlayers(issuer, clock).find((one) => one.kind === kind)
  if (!player) throw new Error(`no kind ${kind}`)
  const service = await startWithSources(t, [{ ...player.entry, jwksUri: undefined }], { clock })
  service.sandbox.tenant.addUser({ email: ADA.email })
  const post = async (header: object = {}, by = issuer.key.privateKey) => {
    const token = await issuer.sign(player.claims(), { typ: player.typ, ...header }, by)
    const { body, headers } = player.send(token)
    return service.call('POST', player.path, { body, headers: { authorization: '', ...headers } })
  }
  return { clock, issuer, player, service, post }
}

/** Responses that lead the search for an issuer's keys elsewhere or nowhere. */
const DETOURS: [name: string, (issuer: Issuer, elsewhere: Issuer) => void][] = [
  [
    'discovery names a key set at another host',
    (issuer, { jwksUri }) => issuer.answerJson(issuer.discovery, { issuer: issuer.url, jwks_uri: jwksUri }),
  ],
  [
    'discovery is redirected',
    (issuer, { url }) => redirect(issuer, issuer.discovery, `${url}${issuer.discovery}`),
  ],
  ['the key set is redirected', (issuer, { jwksUri }) => redirect(issuer, JWKS, jwksUri)],
  [
    'discovery is of another issuer',
    (issuer, { url }) => issuer.answerJson(issuer.discovery, { issuer: url, jwks_uri: issuer.jwksUri }),
  ],
  ['the key set is no JSON', (issuer) => issuer.answer(JWKS, (_, response) => response.end('<html>'))],
  ['the key set has no end', (issuer) => issuer.answerJson(JWKS, { keys: [], filler: 'x'.repeat(600_000) })],
]

function redirect(issuer: Issuer, path: string, location: string): void {
  const status = path === JWKS ? 307 : 302
  issuer.answer(path, (_, response) => response.writeHead(status, { location }).end())
}

for (const [kind, wellKnown] of Object.entries(WELL_KNOWN)) {
  t.test(`${kind}: keys are not fetched from unconfigured addresses`, async (t) => {
    const elsewhere = await startIssuer(t, { wellKnown })
    for (const [name, divert] of DETOURS) {
      const { issuer, service, post } = await start(t, kind, wellKnown)
      divert(issuer, elsewhere)
      const forged = await post({}, elsewhere.key.privateKey)
      t.equal(forged.status, 503, `${name}: to be sent again`)
      t.match(forged.headers.get('retry-after'), /^\d+$/, name)
      t.equal((await post()).status, 503, `${name}: the good one, too`)
      await nothingStored(t, service)
    }
    t.same(elsewhere.paths, [], 'no request was sent there')
  })

  t.test(`${kind}: a published symmetric key is not accepted`, async (t) => {
    const { issuer, player, service, post } = await start(t, kind, wellKnown)
    issuer.keys = [{ kty: 'oct', k: 'c2VjcmV0', kid: 'k1', alg: 'HS256' }]
    for (const reply of [await post({}, (await issuerKey('k1', 'RS256')).privateKey), await post()])
      t.equal(reply.status, player.refusal)
    await nothingStored(t, service)
  })

  t.test(`${kind}: a flood of unknown keys causes one fetch per cooldown`, async (t) => {
    const { clock, issuer, player, service, post } = await start(t, kind, wellKnown)
    while (issuer.asked(JWKS) === 0) await service.call('GET', '/health/live')
    for (const round of [1, 2, 3]) {
      const flood = Array.from({ length: 50 }, (_, index) => post({ kid: `unknown-${round}-${index}` }))
      for (const { status, headers } of await Promise.all(flood)) {
        t.ok(status === player.refusal || (status === 503 && headers.has('retry-after')), `${status}`)
      }
      t.same(
        [issuer.asked(issuer.discovery), issuer.asked(JWKS)],
        [round + 1, round + 1],
        'once at the start',
      )
      clock.advance(COOLDOWN_MS)
    }
    await nothingStored(t, service)
    t.equal((await post()).status, player.answer, 'the valid one is still accepted')
    t.equal(issuer.asked(JWKS), 4, 'with the known key')
  })
}

t.test('every kind of token is covered', async (t) => {
  const kinds = tokenPlayers(await startIssuer(t)).map(({ kind }) => kind)
  t.same(Object.keys(WELL_KNOWN).sort(), kinds.sort())
})
