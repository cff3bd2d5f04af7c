import { exportJWK, generateKeyPair } from 'jose'
import t from 'tap'
import { FAILURE_COOLDOWN_MS, FRESH_FOR_MS, GOOD_FOR_MS } from '../../src/sources/key-set.ts'
import { tokenPlayers } from '../support/every-kind.ts'
import { startIssuer } from '../support/issuer.ts'
import { ADA } from '../support/shared-signals.ts'
import { startWithSources } from '../support/source-service.ts'

const REFUSED = [400, 401]

t.test('each kind of token outlasts an outage and a rotation of its keys', async (t) => {
  const issuer = await startIssuer(t)
  const players = tokenPlayers(issuer)
  let passed = 0
  // The age of keys is by this clock, the age of tokens by the real one.
  const clock = {
    now: Date.now,
    monotonic: () => performance.now() + passed,
    after: (ms: number, callback: () => void) => {
      const timer = setTimeout(callback, ms)
      return () => clearTimeout(timer)
    },
  }
  const service = await startWithSources(
    t,
    players.map(({ entry }) => entry),
    { clock },
  )
  service.sandbox.tenant.addUser({ email: ADA.email })
  const next = await generateKeyPair('RS256', { extractable: true })
  const sent = async ({ path, claims, typ, send }: (typeof players)[number], isNext = false) => {
    const token = isNext
      ? await issuer.sign(claims(), { typ, kid: 'k2' }, next.privateKey)
      : await issuer.sign(claims(), { typ })
    return service.call('POST', path, send(token))
  }
  for (const player of players) t.equal((await sent(player)).status, player.answer, player.kind)

  issuer.answer('/jwks', (_, response) => void response.writeHead(500).end())
  passed += FRESH_FOR_MS + 1
  for (const player of players)
    t.equal((await sent(player)).status, player.answer, `${player.kind}: by the keys that are known`)
  passed += GOOD_FOR_MS
  for (const player of players) {
    const reply = await sent(player)
    t.equal(reply.status, 503, `${player.kind}: they are too old`)
    t.equal(reply.headers.get('retry-after'), '5', player.kind)
  }

  issuer.answerJson('/jwks', { keys: [{ ...(await exportJWK(next.publicKey)), kid: 'k2', use: 'sig' }] })
  passed += FAILURE_COOLDOWN_MS
  for (const player of players) {
    t.equal((await sent(player, true)).status, player.answer, `${player.kind}: by the new key`)
    t.ok(REFUSED.includes((await sent(player)).status), `${player.kind}: by the old key no more`)
  }
  const accepted = players.map(({ kind }) => [`${kind} accepted`, 3])
  t.match(await service.counts(), Object.fromEntries(accepted))
})
