import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { UsageError } from '../base/errors.ts'
import type { SourceEntry } from '../base/source-entry.ts'
import { problemWith, userNamed } from '../base/user-name.ts'
import { CommandError } from '../cli/command-error.ts'
import { readConnection } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { count, print, printable, printJson } from '../cli/terminal.ts'
import { loadConfig } from '../config/load-config.ts'
import { parts } from '../parts.ts'
import { type CraftContext, craft, forgeryNames } from '../sandbox/identity-provider/craft.ts'
import { type Delivery, post } from '../sandbox/identity-provider/deliver.ts'
import { openIssuer } from '../sandbox/identity-provider/issuer.ts'
import { KINDS, type SignalOrder, slug } from '../sandbox/identity-provider/order.ts'
import { TOKEN_KIND_NAMES } from '../sandbox/identity-provider/token-kinds.ts'
import { playIssuer } from './play-issuer.ts'

/** A user that no tenant has, so that an accepted signal logs nobody out. */
const NOBODY = 'curfew-try@example.invalid'
/** Together longer than the 30 s in which Curfew fetches keys only once. */
const KEY_TRIES = 8
const KEY_PAUSE_MS = 5_000

interface Options {
  forged?: boolean
  user?: string
  json?: boolean
  profile?: string
}

interface Outcome extends Pick<Delivery, 'outcome' | 'status' | 'why'> {
  what: string
  isExpected: boolean
}

/**
 * The command `try`: sends the vendor's documented request to a source, signed with the configured secret, or forgeries of
 * it. Sets the exit code 1 if the valid one is not accepted, or a forged one is.
 * @throws ConfigError, UsageError, CommandError
 */
export async function tryCommand(
  name: string,
  { forged, user = NOBODY, json, profile }: Options,
): Promise<void> {
  const { sources } = await loadConfig(process.env, parts.sources)
  const source = sources.find((one) => one.name === name)
  if (!source)
    throw new UsageError(
      `CONFIG_FILE has no source of this name. Sources: ${sources.map((one) => one.name).join(', ') || 'none'}.`,
    )
  const mistake = problemWith(user)
  if (mistake) throw new UsageError(`--user: ${mistake}.`)
  const { url } = readConnection(profile)
  const outcomes = await outcomesOf(source, { url, user, forged: forged === true })
  if (outcomes.some(({ isExpected }) => !isExpected)) process.exitCode = EXIT.no
  if (json) return printJson({ source: name, kind: source.kind, outcomes })
  for (const { what, outcome, status, why, isExpected } of outcomes)
    print(
      `${isExpected ? '✔' : '✘'} ${what}: ${outcome}${status === null ? '' : `, ${status}`}: ${printable(why)}`,
    )
  const unexpected = outcomes.filter(({ isExpected }) => !isExpected).length
  print(`${count(outcomes.length, 'request')} sent to ${name}, ${unexpected} not answered as expected.`)
}

async function outcomesOf(
  source: SourceEntry,
  { url, user, forged }: { url: string; user: string; forged: boolean },
): Promise<Outcome[]> {
  const kind = kindOf(source)
  const isToken = (TOKEN_KIND_NAMES as readonly string[]).includes(kind)
  const own = isToken && !forged ? await playIssuer(source) : await openIssuer()
  try {
    const { userId, subject, email } = userNamed(user, null)
    const name = email ?? userId ?? ''
    const context: CraftContext = {
      issuer: { ...own, url: issuerOf(source) },
      secret: isToken ? '' : secretFor(source),
      now: Date.now(),
      person: { userId: name, subject: subject ?? name, email: email ?? null },
    }
    const base: SignalOrder = {
      kind,
      delivery: 'push',
      ...(isToken && { claims: { aud: audienceOf(source) } }),
    }
    const names = forged ? await forgeryNames(kind, context) : []
    // Curfew does not know this issuer's key, so its valid token is a forgery, too.
    const orders: SignalOrder[] = [
      ...(isToken || !forged ? [base] : []),
      ...names.map((forgery) => ({ ...base, forgery: slug(forgery) })),
    ]
    const outcomes: Outcome[] = []
    for (const order of orders) {
      const request = await craft(order, context)
      const path = `/sources/${encodeURIComponent(source.name)}/${request.path}`
      const send = () => post(request, `${url}${path}`, source.name)
      const { outcome, status, why } = forged ? await send() : await untilKeysAreFetched(send)
      // A key that is unknown gets 503 until the issuer's keys can be fetched again.
      const isRejected = outcome === 'rejected' || (outcome === 'unavailable' && status !== null)
      const isExpected = forged ? isRejected : outcome === 'accepted' || isAboutUser(why)
      const what = order.forgery ?? (isToken && forged ? 'a key of another issuer' : 'valid request')
      outcomes.push({ what, outcome, status, why, isExpected })
    }
    return outcomes
  } finally {
    own.close()
  }
}

/** Curfew looks for an unknown key once in a while, and answers with 503 until then. */
async function untilKeysAreFetched(send: () => Promise<Delivery>): Promise<Delivery> {
  for (let tries = 1; ; tries += 1) {
    const delivery = await send()
    if (delivery.outcome !== 'unavailable' || delivery.status === null || tries === KEY_TRIES) return delivery
    await pause(KEY_PAUSE_MS)
  }
}

/** The token was verified: only the user is unknown. */
function isAboutUser(why: string): boolean {
  return why.startsWith('CURFEW_USER_UNKNOWN') || why.startsWith('unknown_user')
}

function kindOf({ kind, name }: SourceEntry): SignalOrder['kind'] {
  const known = KINDS.find((one) => one === kind)
  if (!known || known === 'generic')
    throw new CommandError(
      `A source of kind ${kind} cannot be tried: send a request to /sources/${name}/webhook.`,
      EXIT.usage,
    )
  return known
}

/** The entry's own members: the schema of its kind has checked them. */
function member(source: SourceEntry, name: string): unknown {
  return (source as unknown as Record<string, unknown>)[name]
}

function issuerOf(source: SourceEntry): string {
  const issuer = member(source, 'issuer')
  return typeof issuer === 'string' ? issuer : `https://${randomUUID()}.invalid`
}

function audienceOf(source: SourceEntry): unknown {
  return member(source, 'audience')
}

function secretFor(source: SourceEntry): string {
  const secrets = [member(source, 'secret'), member(source, 'secrets'), member(source, 'secretFile')].flat()
  const secret = secrets.find((one) => typeof one === 'string')?.split('\n')[0]
  if (secret === undefined)
    throw new CommandError(`${source.name} has no secret, so only the vendor can sign a request.`, EXIT.usage)
  return source.kind === 'supabase' ? secret.replace(/^v1,/, '') : secret
}
