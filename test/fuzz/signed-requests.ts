import { createHmac } from 'node:crypto'
import { forgeries } from '../../src/sandbox/identity-provider/token-forgeries.ts'
import {
  type Person,
  TOKEN_KIND_NAMES,
  TOKEN_KINDS,
  type TokenClaims,
  type TokenKindName,
} from '../../src/sandbox/identity-provider/token-kinds.ts'
import { VENDORS } from '../../src/sandbox/identity-provider/vendors.ts'
import { webhookForgeries } from '../../src/sandbox/identity-provider/webhook-forgeries.ts'
import type { Random } from './random.ts'
import { from, type Generate, headerText, INTRUDER, oddHeaders, USERS } from './request.ts'
import { AUDIENCE, type Known } from './target.ts'
import { anyJson, anyText, bodyOf, mutateJson, mutateText } from './values.ts'

export const standardWebhook: Generate = (random, { webhookSecrets }) => {
  const isAuthentic = random.chance(0.3)
  const marker = isAuthentic ? `user-${random.int(USERS)}` : INTRUDER
  const body = bodyOf(
    random,
    random.chance(0.3) ? { userId: marker } : mutateJson(random, { userId: marker, reason: 'logout' }),
  )
  const id = isAuthentic || random.chance(0.8) ? `msg_${random.int(2 ** 31)}` : headerText(random)
  const seconds = Math.floor(Date.now() / 1000)
  const time = isAuthentic
    ? String(seconds)
    : random.pick([String(seconds), String(seconds - 900), '1e9', '-1', headerText(random)])
  const key = Buffer.from(String(random.pick(webhookSecrets)).slice('whsec_'.length), 'base64')
  const signature = `v1,${createHmac('sha256', isAuthentic ? key : random.bytes(32))
    .update(`${id}.${time}.`)
    .update(body)
    .digest('base64')}`
  const sent =
    isAuthentic || random.chance(0.5)
      ? signature
      : random.pick([mutateHeader(random, signature), 'v1,', 'v2,x', Array(200).fill(signature).join(' ')])
  const prefix = random.pick(['webhook', 'svix'])
  return {
    kind: 'standard webhook',
    isAuthentic,
    method: 'POST',
    path: '/logout-hook',
    headers: [
      ['content-type', 'application/json'],
      [`${prefix}-id`, id],
      [`${prefix}-timestamp`, time],
      [`${prefix}-signature`, sent],
      ...oddHeaders(random).filter(([name]) => name !== 'x-forwarded-for'),
      from(random),
    ],
    body,
  }
}

function mutateHeader(random: Random, text: string): string {
  return mutateText(random, text).replaceAll(/[^\x20-\x7e]/g, '')
}

export const token: Generate = async (random, { issuer }) => {
  const name = random.pick(TOKEN_KIND_NAMES)
  const kind = TOKEN_KINDS[name]
  const isAuthentic = random.chance(0.3)
  const marker = isAuthentic ? `user-${random.int(USERS)}` : INTRUDER
  const person: Person = {
    userId: marker,
    subject: marker,
    email: random.chance(0.5) ? `${marker}@example.com` : null,
  }
  const content = {
    issuer: issuer.url,
    audience: AUDIENCE,
    jti: `fuzz-${random.int(2 ** 31)}`,
    iat: Math.floor(Date.now() / 1000),
    person,
  }
  const claims = kind.claims(content)
  const sign = (changed: object, header: object = {}) => issuer.sign(changed, { typ: kind.typ, ...header })
  const changes = kind.changes(claims)
  const tokens: (() => Promise<string> | string)[] = [
    async () => random.pick(await knownForgeries(name, claims, issuer)) ?? '',
    async () => changedToken(random, await sign(claims)),
    () => anyText(random).replaceAll(/[^\x20-\x7e]/g, ''),
    () => `${encoded(anyJson(random))}.${encoded(anyJson(random))}.${random.bytes(64).toString('base64url')}`,
    () =>
      `${encoded(mutateJson(random, { alg: 'ES256', kid: 'k1', typ: kind.typ }))}.${encoded(mutateJson(random, claims))}.AAAA`,
  ]
  const mutated = mutateJson(
    random,
    random.chance(0.3) ? { ...claims, ...changes[String(random.pick(Object.keys(changes)))] } : claims,
    0.1,
  )
  const isObject = typeof mutated === 'object' && mutated !== null && !Array.isArray(mutated)
  const text = isAuthentic
    ? await sign(isObject && random.chance(0.7) ? mutated : claims)
    : await random.pick(tokens)()
  const { body, headers } = kind.request(text, person, issuer.url)
  const sent = random.chance(0.8)
    ? Buffer.from(body)
    : isAuthentic
      ? bodyOf(random, mutateJson(random, body))
      : random.bytes(random.length(500))
  return {
    kind: `token of ${name}`,
    isAuthentic,
    method: 'POST',
    path: `/sources/${random.chance(0.95) ? name : random.pick(TOKEN_KIND_NAMES)}/${kind.path}`,
    headers: [
      ...Object.entries(headers),
      ...oddHeaders(random).filter(([header]) => header !== 'x-forwarded-for'),
      from(random),
    ],
    body: sent,
  }
}

/** Signed once for each kind of token, except those that become valid during the run. */
const EARLY = ['not yet valid', 'issued in the future']
const known = new Map<string, Promise<string[]>>()

function knownForgeries(
  name: TokenKindName,
  claims: TokenClaims,
  issuer: Known['issuer'],
): Promise<string[]> {
  const kind = TOKEN_KINDS[name]
  const own: Known['issuer'] = {
    ...issuer,
    sign: (...[content, header, by]) => issuer.sign(content, { typ: kind.typ, ...header }, by),
  }
  const tokens =
    known.get(name) ??
    forgeries(own, claims, kind).then((all) =>
      all.filter(({ name }) => !EARLY.includes(name)).map(({ token }) => token),
    )
  known.set(name, tokens)
  return tokens
}

/** Another header or other claims under the signature. */
function changedToken(random: Random, text: string): string {
  const signed = text.slice(0, text.lastIndexOf('.'))
  const changed = mutateHeader(random, signed)
  return `${changed === signed ? 'e30.e30' : changed}${text.slice(signed.length)}`
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url')

export const vendorWebhook: Generate = async (random) => {
  const vendor = VENDORS[random.int(VENDORS.length)]
  if (!vendor) throw new Error('There are no vendors.')
  const isAuthentic = random.chance(0.3)
  const user = isAuthentic ? `user-${random.int(USERS)}` : INTRUDER
  const sample = vendor.sample(`d${random.int(2 ** 31)}`, { user, at: Date.now() })
  const text = bodyOf(random, random.chance(0.3) ? sample : mutateJson(random, sample, 0.08)).toString('utf8')
  const at = Date.now()
  const { secret } = vendor
  const forgery = isAuthentic ? null : random.pick(await webhookForgeries(vendor, text, { secret, now: at }))
  // It is sent some seconds later.
  const later = forgery?.at !== undefined && forgery.at > at ? 600_000 : 0
  const signedAt = (forgery?.at ?? at) + later
  const proof = await vendor.sign(text, { secret: forgery?.secret ?? secret, at: signedAt })
  const headers = { 'content-type': 'application/json', ...proof, ...forgery?.headers }
  return {
    kind: `webhook of ${vendor.kind}`,
    // A body without letters and digits is not altered.
    isAuthentic: isAuthentic || forgery?.instead === text,
    method: isAuthentic || random.chance(0.95) ? 'POST' : 'GET',
    path: `/sources/${vendor.kind}/webhook`,
    headers: [
      ...Object.entries(headers),
      ...oddHeaders(random).filter(([name]) => name !== 'x-forwarded-for'),
      from(random),
    ],
    body: Buffer.from(forgery?.instead ?? text),
  }
}
