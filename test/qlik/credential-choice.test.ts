import t from 'tap'
import {
  CredentialChoice,
  positionsToTry,
  refusalOf,
  type Standing,
  standingAfter,
} from '../../src/qlik/credential-choice.ts'
import type { ClientCredential, ClientCredentials } from '../../src/qlik/tenant-config.ts'
import { QlikFailure } from '../../src/revocation/qlik-tenant.ts'
import { fakeClock } from '../support/clock.ts'
import { rejection } from '../support/events.ts'

const HOUR = 3_600_000
const standing = (inUse: number, ...refusedAt: (number | null)[]): Standing => ({ inUse, refusedAt })

t.test('the working credential is tried first; if none works, one at a time', async (t) => {
  const cases: [name: string, standing: Standing, now: number, positions: number[]][] = [
    ['one, new', standing(0, null), 0, [0]],
    ['one, refused', standing(0, 5), 10, [0]],
    ['two, new', standing(0, null, null), 0, [0, 1]],
    ['the first is refused', standing(1, 5, null), 10, [1, 0]],
    ['the first was refused nearly an hour ago', standing(1, 5, null), 4 + HOUR, [1, 0]],
    ['the first was refused an hour ago', standing(1, 5, null), 5 + HOUR, [0, 1]],
    ['the second is refused', standing(0, null, 5), 10 + HOUR, [0, 1]],
    ['both are refused, the second one last', standing(1, 5, 6), 10, [0]],
    ['both are refused, the first one last', standing(0, 7, 6), 10 + HOUR, [1]],
  ]
  for (const [name, state, now, positions] of cases) t.same(positionsToTry(state, now), positions, name)
})

t.test('an accepted credential stays in use until it is refused', async (t) => {
  const cases: [name: string, before: Standing, position: number, isAccepted: boolean, after: Standing][] = [
    ['accepted', standing(0, null, null), 0, true, standing(0, null, null)],
    ['the first is refused', standing(0, null, null), 0, false, standing(1, 9, null)],
    ['the second is accepted', standing(1, 5, null), 1, true, standing(1, 5, null)],
    ['the first is refused again', standing(1, 5, null), 0, false, standing(1, 9, null)],
    ['the first is accepted after all', standing(1, 5, null), 0, true, standing(0, null, null)],
    ['the second is refused, too', standing(1, 5, null), 1, false, standing(1, 5, 9)],
    ['both stay refused', standing(1, 5, 6), 0, false, standing(0, 9, 6)],
    ['one of both works again', standing(1, 5, 6), 0, true, standing(0, null, 6)],
    ['the only one is refused', standing(0, null), 0, false, standing(0, 9)],
  ]
  for (const [name, before, position, isAccepted, after] of cases)
    t.same(standingAfter(before, { position, isAccepted, now: 9 }), after, name)
})

t.test('the refused credential is reported to operators', async (t) => {
  t.equal(refusalOf('secret', standing(0, null, null)), null)
  t.equal(refusalOf('secret', standing(0, 5)), null, 'the failure itself reports it')
  t.equal(
    refusalOf('secret', standing(1, 5, null)),
    "Qlik Cloud refuses the first of the OAuth client's two secrets; the second one is in use.",
  )
  t.equal(
    refusalOf('key', standing(0, null, 5)),
    "Qlik Cloud refuses the second of the OAuth client's two keys; the first one is in use.",
  )
  t.equal(refusalOf('key', standing(0, 6, 5)), 'Qlik Cloud refuses both keys of the OAuth client.')
})

/** Two secrets, and a token endpoint that accepts those in `accepted`; records what was tried and reported. */
function setUp(...accepted: string[]) {
  const credentials: ClientCredentials = [
    { kind: 'secret', secret: 'new' },
    { kind: 'secret', secret: 'old' },
  ]
  const reported: (string | null)[] = []
  const tried: string[] = []
  const clock = fakeClock()
  const choice = new CredentialChoice(credentials, {
    clock,
    onRefusalChange: (refusal) => reported.push(refusal),
  })
  const request = async (credential: ClientCredential) => {
    const secret = credential.kind === 'secret' ? credential.secret : ''
    tried.push(secret)
    if (!accepted.includes(secret)) throw new QlikFailure('credential-refused', '401.')
    return `by ${secret}`
  }
  return { choice, request, accepted, reported, tried, clock, use: () => choice.use(request) }
}

t.test('the working credential is remembered, and a change is reported once', async (t) => {
  const { use, reported, tried, choice, accepted, clock } = setUp('old')
  t.equal(await use(), 'by old')
  t.equal(await use(), 'by old')
  t.same(tried, ['new', 'old', 'old'])
  clock.advance(HOUR)
  t.equal(await use(), 'by old')
  t.same(tried.slice(3), ['new', 'old'], 'after an hour the first is tried again')
  const refusal = "Qlik Cloud refuses the first of the OAuth client's two secrets; the second one is in use."
  t.same([reported, choice.refusal], [[refusal], refusal])
  accepted.push('new')
  clock.advance(HOUR)
  t.equal(await use(), 'by new')
  t.same([reported.at(-1), choice.refusal], [null, null])
})

t.test('two refused credentials are one failure, and then take one call each time', async (t) => {
  const { use, tried, reported, accepted } = setUp()
  const refusal = 'Qlik Cloud refuses both secrets of the OAuth client.'
  for (const attempts of [['new', 'old'], ['new'], ['old'], ['new']]) {
    t.match(await rejection(use()), { kind: 'credential-refused', message: `${refusal} 401.` })
    t.same(tried.splice(0), attempts)
  }
  t.equal(reported.at(-1), refusal)
  accepted.push('new')
  t.match(await rejection(use()), { kind: 'credential-refused' })
  t.equal(await use(), 'by new')
})

t.test('any other failure does not count against the secret', async (t) => {
  const { choice, tried, reported } = setUp()
  for (const kind of ['unavailable', 'client-rejected', 'rate-limited', 'unauthorized'] as const) {
    const request = async () => {
      tried.push(kind)
      throw new QlikFailure(kind, 'x')
    }
    t.match(await rejection(choice.use(request)), { kind, message: 'x' })
  }
  t.equal(tried.length, 4)
  t.same(reported, [])
})
