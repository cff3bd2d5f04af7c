import { randomUUID } from 'node:crypto'
import type { Issuer } from './issuer.ts'
import { findForgery, OrderError, type SignalOrder } from './order.ts'
import { AUDIENCE, secretOf } from './source-entries.ts'
import { forgeries } from './token-forgeries.ts'
import {
  type Person,
  type SignedRequest,
  TOKEN_KINDS,
  type TokenClaims,
  type TokenKind,
  type TokenKindName,
} from './token-kinds.ts'
import { VENDORS, type Vendor, type VendorKind } from './vendors.ts'
import { webhookForgeries } from './webhook-forgeries.ts'

/** A request for Curfew, valid or forged. */
export interface CraftedRequest extends SignedRequest {
  /** Below `/sources/{name}/`. */
  path: string
  /** The token and its id, for kinds with tokens. */
  token: { jti: string; text: string } | null
}

export interface CraftContext {
  issuer: Issuer
  /** The secret of the vendors' sources. */
  secret: string
  /** ms since the epoch */
  now: number
  person: Person
}

/** Builds the request of an order. @throws OrderError */
export function craft(order: SignalOrder, context: CraftContext): Promise<CraftedRequest> {
  const { kind } = order
  return kind in TOKEN_KINDS
    ? craftToken(TOKEN_KINDS[kind as TokenKindName], order, context)
    : craftWebhook(vendorOf(kind as VendorKind), order, context)
}

/** The names of the forgeries of a kind. */
export async function forgeryNames(kind: SignalOrder['kind'], context: CraftContext): Promise<string[]> {
  const order = { kind, delivery: 'push' } as const
  const all =
    kind in TOKEN_KINDS
      ? await tokenForgeries(TOKEN_KINDS[kind as TokenKindName], order, context)
      : await forgeriesOf(vendorOf(kind as VendorKind), order, context)
  return all.map(({ name }) => name)
}

async function craftToken(
  kind: TokenKind,
  order: SignalOrder,
  context: CraftContext,
): Promise<CraftedRequest> {
  if (order.body !== undefined) throw new OrderError('A kind with tokens has no body: change claims instead')
  const { issuer, person } = context
  const claims = claimsOf(kind, order, context)
  const text =
    order.forgery === undefined
      ? await issuer.sign(claims, headerOf(kind, order))
      : findForgery(await tokenForgeries(kind, order, context), order.forgery).token
  const request = kind.request(text, person, issuer.url)
  return { ...request, path: kind.path, token: { jti: String(claims.jti), text } }
}

function claimsOf(kind: TokenKind, order: SignalOrder, { issuer, now, person }: CraftContext): TokenClaims {
  const content = {
    issuer: issuer.url,
    audience: AUDIENCE,
    jti: randomUUID(),
    iat: Math.floor(now / 1000),
    person,
    sid: order.session,
  }
  return { ...kind.claims(content), ...changesIn(order.claims) }
}

function headerOf({ typ }: TokenKind, order: SignalOrder): object {
  return { typ, ...changesIn(order.header) }
}

/** null removes a member: `undefined` does not appear in JSON. */
function changesIn(changes: Record<string, unknown> = {}): object {
  return Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, value ?? undefined]))
}

async function tokenForgeries(
  kind: TokenKind,
  order: SignalOrder,
  context: CraftContext,
): Promise<{ name: string; token: string }[]> {
  const { issuer } = context
  const claims = claimsOf(kind, order, context)
  const sign: Issuer['sign'] = (others, header = {}, by) =>
    issuer.sign(others, { ...headerOf(kind, order), ...header }, by)
  const changed = Object.entries(kind.changes(claims)).map(async ([name, changes]) => ({
    name,
    token: await sign({ ...claims, ...changes }),
  }))
  return [...(await forgeries({ key: issuer.key, sign }, claims, kind)), ...(await Promise.all(changed))]
}

async function craftWebhook(
  vendor: Vendor,
  order: SignalOrder,
  context: CraftContext,
): Promise<CraftedRequest> {
  if (order.claims ?? order.header ?? order.session)
    throw new OrderError('A webhook has neither claims nor a session: change its body instead')
  const secret = secretOf(vendor, context.secret)
  const text = textOf(vendor, order, context)
  const { at, instead, headers, ...forged } =
    order.forgery === undefined
      ? { name: 'valid' }
      : findForgery(await forgeriesOf(vendor, order, context, text), order.forgery)
  const proof = await vendor.sign(text, { secret: forged.secret ?? secret, at: at ?? context.now })
  return {
    path: 'webhook',
    body: instead ?? text,
    headers: { 'content-type': 'application/json', ...proof, ...headers },
    token: null,
  }
}

function forgeriesOf(
  vendor: Vendor,
  order: SignalOrder,
  context: CraftContext,
  text = textOf(vendor, order, context),
) {
  return webhookForgeries(vendor, text, { secret: secretOf(vendor, context.secret), now: context.now })
}

function textOf({ sample, expected }: Vendor, { body }: SignalOrder, { person, now }: CraftContext): string {
  const user = expected.user.kind === 'email' ? (person.email ?? person.subject) : person[expected.user.kind]
  return JSON.stringify(body ?? sample(randomUUID(), { user, at: now }))
}

function vendorOf(kind: VendorKind): Vendor {
  const found = VENDORS.find((vendor) => vendor.kind === kind)
  if (!found) throw new OrderError(`There is no vendor ${kind}`)
  return found
}
