import { randomBytes, randomUUID } from 'node:crypto'
import { type Clock, systemClock } from '../../base/clock.ts'
import { craft, forgeryNames } from './craft.ts'
import { type Delivery, offer, post } from './deliver.ts'
import { type Issuer, openIssuer } from './issuer.ts'
import { KINDS, OrderError, type SignalOrder, slug } from './order.ts'
import { issuerKey } from './signing-key.ts'
import { AUDIENCE, POLLED, sourceEntries } from './source-entries.ts'
import { type Person, SSF } from './token-kinds.ts'
import { addTransmitter, type FakeTransmitter, PUSH } from './transmitter.ts'

export interface IdentityProviderOptions {
  host?: string
  port?: number
  /** `whsec_` and 24 to 64 bytes in base64: the secret of the vendors' sources. By default random. */
  secret?: string
  /** Address of Curfew, for orders without one. */
  curfew?: string
  now?: () => number
  after?: Clock['after']
  /** How long an event waits for a poll. By default longer than Curfew's cooldown for unknown keys. */
  pollTimeoutMs?: number
}

/** What was sent, and what Curfew answered. */
export interface SignalResult extends Delivery {
  kind: string
  source: string
  user: Person
  /** Null for a valid request. */
  forgery: string | null
  /** The sent request; for a poll, the offered token. */
  sent: { headers: Record<string, string>; body: string }
}

/**
 * An identity provider on this machine. It issues and rotates keys, and sends the signals of every kind of source to a
 * running Curfew, valid or forged.
 */
export interface IdentityProvider {
  issuer: Issuer
  /** The `sources` of CONFIG_FILE that accept it. */
  sources: Record<string, unknown>[]
  /** Every kind, with the names of its forgeries. */
  kinds(): Promise<{ kind: string; forgeries: string[] }[]>
  /** Signs with a new key from now on. The old keys stay published unless they are withdrawn. */
  rotateKeys(options?: { withdraw?: boolean }): Promise<{ kid: string; published: string[] }>
  /** Sends one signal. @throws OrderError */
  send(order: SignalOrder, person: Person): Promise<SignalResult>
  close(): void
}

export async function openIdentityProvider({
  host,
  port,
  secret = `whsec_${randomBytes(32).toString('base64')}`,
  curfew = 'http://127.0.0.1:3000',
  now = Date.now,
  after = systemClock.after,
  pollTimeoutMs = 45_000,
}: IdentityProviderOptions = {}): Promise<IdentityProvider> {
  // A new kid at each start makes Curfew fetch the keys again.
  const issuer = await openIssuer({ key: await issuerKey(randomUUID()), host, port })
  const transmitter = addTransmitter(issuer, {
    audience: AUDIENCE,
    onVerify: (stream, state) => void verify(transmitter, stream, state, now()),
  })
  return {
    issuer,
    sources: sourceEntries(issuer.url, secret),
    kinds: () =>
      Promise.all(
        KINDS.map(async (kind) => {
          const person = { userId: 'u1', subject: 'u1', email: null }
          const names = await forgeryNames(kind, { issuer, secret, now: now(), person })
          return { kind, forgeries: names.map(slug) }
        }),
      ),
    async rotateKeys({ withdraw = false } = {}) {
      issuer.key = await issuerKey(randomUUID())
      issuer.keys = [...(withdraw ? [] : issuer.keys), issuer.key.jwk]
      return { kid: issuer.key.kid, published: issuer.keys.map(({ kid }) => String(kid)) }
    },
    async send(order, person) {
      const { kind, delivery, forgery = null } = order
      const polls = delivery === 'poll'
      if (polls && kind !== 'shared-signals') throw new OrderError('Only shared-signals can be polled')
      const { source = polls ? POLLED : kind } = order
      const request = await craft(order, { issuer, secret, now: now(), person })
      const { body } = request
      const result = { kind, source, user: person, forgery }
      if (polls && request.token)
        return {
          ...result,
          sent: { body, headers: {} },
          ...(await offer(request.token, transmitter, { source, after, timeoutMs: pollTimeoutMs })),
        }
      const base = (order.curfew ?? curfew).replace(/\/$/, '')
      const url = `${base}/sources/${encodeURIComponent(source)}/${request.path}`
      const headers = { ...authorizationOf(transmitter, url), ...request.headers }
      return { ...result, sent: { body, headers }, ...(await post({ body, headers }, url, source)) }
    },
    close: issuer.close,
  }
}

/** The header that a stream demands for pushes to this address. */
function authorizationOf({ streams }: FakeTransmitter, url: string): Record<string, string> {
  const { authorization_header: authorization } =
    streams.find(({ delivery }) => delivery.endpoint_url === url)?.delivery ?? {}
  return authorization ? { authorization } : {}
}

/** Sends a verification event (Shared Signals Framework 1.0, section 8.1.4.1) in the stream's way. */
async function verify(
  transmitter: FakeTransmitter,
  stream: FakeTransmitter['streams'][number],
  state: unknown,
  now: number,
): Promise<void> {
  const { issuer } = transmitter
  const claims = {
    iss: issuer.url,
    aud: AUDIENCE,
    jti: randomUUID(),
    iat: Math.floor(now / 1000),
    sub_id: { format: 'opaque', id: stream.stream_id },
    events: { [`${SSF}verification`]: { state } },
  }
  const token = await issuer.sign(claims, { typ: 'secevent+jwt' })
  const { method, endpoint_url: url } = stream.delivery
  if (method !== PUSH) return transmitter.queue(claims.jti, token)
  const headers = { 'content-type': 'application/secevent+jwt', ...authorizationOf(transmitter, url) }
  await post({ body: token, headers }, url, stream.stream_id)
}
