import { clientsOf, tenantWith } from './clients.ts'
import {
  type Bench,
  type Child,
  call,
  type Figure,
  print,
  request,
  signedLogout,
  startService,
  untilVerified,
  withBench,
} from './support.ts'
import { startTenant } from './tenant.ts'

/** Less than a full last window, because each client also requests an access token. */
const TOKENS = 4_900
const LIMIT = 500
const WINDOW_MS = 10_000
const LATENCY_MS = 20
/** Of each client. */
const CONCURRENCY = 16
const AIM = 1.02
const AIM_FASTER = 3.9

const windowsOf = (clients: number) => Math.floor((TOKENS - 1) / (LIMIT * clients))
/** List all pages, revoke the rest after the full windows, list again. */
const idealMs = (clients: number) => {
  const rest = TOKENS - windowsOf(clients) * LIMIT * clients
  const calls = 2 * Math.ceil(TOKENS / 100) + Math.ceil(rest / (CONCURRENCY * clients))
  return windowsOf(clients) * WINDOW_MS + calls * LATENCY_MS
}

/** Revokes many tokens of one user, with one and with four OAuth clients. */
export async function pools(): Promise<Figure[]> {
  const one = await withBench((bench) => drain(bench, 1))
  const four = await withBench((bench) => drain(bench, 4))
  const ratio = one.ms / four.ms
  return [
    figure(1, one),
    figure(4, four),
    {
      name: `${TOKENS} tokens with four clients, compared to one`,
      measured: `${ratio.toFixed(2)} times faster`,
      aim: `≥ ${AIM_FASTER}`,
      met: ratio >= AIM_FASTER,
      note: 'The two figures before.',
    },
  ]
}

interface Drained {
  ms: number
  refused: number
}

function figure(clients: number, { ms, refused }: Drained): Figure {
  const ideal = idealMs(clients)
  return {
    name: `${TOKENS} tokens of one user with a limit of ${LIMIT} per window, ${clients === 1 ? 'one client' : `${clients} clients`}, relative to ${windowsOf(clients)} windows and the burst`,
    measured: `${(ms / ideal).toFixed(3)}: ${Math.round(ms)} ms against ${ideal} ms; ${refused} responses with 429`,
    aim: `≤ ${AIM}, no 429`,
    met: ms / ideal <= AIM && refused === 0,
    note:
      `From accepting the signal to the first listing without a token in scope; then it was verified. QLIK_RATE_WINDOW_MS=${WINDOW_MS}, ` +
      `${CONCURRENCY} deletes at once for each client, a tenant that allows each client ${LIMIT} and waits ${LATENCY_MS} ms before each response. The ` +
      `ideal is ⌊${TOKENS - 1} / ${LIMIT * clients}⌋ × ${WINDOW_MS} ms, two listings of ${TOKENS / 100} pages, and the deletes of the last window. ` +
      `The excess of ${Math.round(ms - ideal)} ms does not grow with the window.`,
  }
}

async function drain(bench: Bench, count: number): Promise<Drained> {
  const clients = clientsOf(count)
  const limits = { tier1Limit: 5_000, tier2Limit: LIMIT, windowMs: WINDOW_MS }
  const tenant = await startTenant(bench, {
    latencyMs: LATENCY_MS,
    tenantLimitShare: null,
    ...limits,
    clients,
  })
  const service = await startService(bench, tenant.url, {
    ...tenantWith(bench, tenant.url, clients),
    QLIK_TIER1_LIMIT: '5000',
    QLIK_TIER2_LIMIT: String(LIMIT),
    QLIK_RATE_WINDOW_MS: String(WINDOW_MS),
    REVOKE_CONCURRENCY: String(CONCURRENCY),
  })
  const { body, headers } = signedLogout(await tenant.userWithTokens(TOKENS))
  const { json } = await request(service.url, 'POST', '/logout-hook', { body, headers })
  const id = String(Object(json).id)
  await untilEnded(service, id)
  const { acceptedAt, completedAt, tokens } = await untilVerified(service, id)
  if (tokens.revoked !== TOKENS) throw new Error('Not every token was revoked.')
  const refused = (await tenant.calls()).filter(({ status }) => status === 429)
  return { ms: Date.parse(completedAt) - Date.parse(acceptedAt), refused: refused.length }
}

async function untilEnded({ url }: Child, id: string): Promise<void> {
  for (;;) {
    const { json } = await call(url, 'GET', `/revocations/${id}`, { headers: { prefer: 'wait=30' } })
    if (['completed', 'failed'].includes(Object(json).status)) return
  }
}

if (import.meta.main) await print(pools())
