import { parseArgs } from 'node:util'
import { UsageError } from '../base/errors.ts'
import type { SignalResult } from './identity-provider/identity-provider.ts'
import { KINDS } from './identity-provider/order.ts'
import { readPairs } from './pairs.ts'

export const SIGNAL_USAGE = `Usage: npm run sandbox -- send <kind> [options]
       npm run sandbox -- rotate [--withdraw]

Sends a signal of a kind of source to Curfew, valid or forged, and prints Curfew's answer. Rotates the key that signs.
The sandbox must be running. The exit code is 0 if Curfew accepted a valid signal or did not accept a forged one, and
1 otherwise.

  --user <name>            id, e-mail address or subject of a user (the first user)
  --source <name>          name of the source at Curfew (the kind)
  --forgery <name>         send a forgery; all: send each of them; list: list them
  --poll                   let Curfew poll the event (shared-signals only)
  --session <sid>          the session that a logout token names
  --claim <name>=<value>   replace a claim; null removes it; repeatable
  --header <name>=<value>  replace a member of the token's header; repeatable
  --body <json>            send this body instead of the vendor's documented one
  --curfew <url>           address of Curfew
  --verbose                also print the request
  --withdraw               rotate: do not publish the old keys
  --sandbox <url>          address of the sandbox tenant (http://127.0.0.1:4848)
  --help                   print this text

Kinds: ${KINDS.join(', ')}
`

const OPTIONS = {
  user: { type: 'string' },
  source: { type: 'string' },
  forgery: { type: 'string' },
  poll: { type: 'boolean', default: false },
  session: { type: 'string' },
  claim: { type: 'string', multiple: true },
  header: { type: 'string', multiple: true },
  body: { type: 'string' },
  curfew: { type: 'string' },
  verbose: { type: 'boolean', default: false },
  withdraw: { type: 'boolean', default: false },
  sandbox: { type: 'string', default: 'http://127.0.0.1:4848' },
  help: { type: 'boolean', default: false },
} as const

type Write = (text: string) => void

export function isSignalCommand(command: string | undefined): boolean {
  return command === 'send' || command === 'rotate'
}

/** Runs `send` or `rotate` and returns the exit code. Throws a `UsageError` if the arguments are invalid. */
export async function runSignalCommand(args: string[], write: Write): Promise<number> {
  const { values, positionals } = parse(args)
  const [command, kind, ...others] = positionals
  if (values.help) {
    write(SIGNAL_USAGE)
    return 0
  }
  if (command === 'rotate') {
    const { kid } = await ask(values.sandbox, 'POST', 'keys', { withdraw: values.withdraw })
    write(`The identity provider signs with the key ${kid} from now on.\n`)
    return 0
  }
  if (kind === undefined || others.length > 0)
    throw new UsageError(`send: expected one kind: ${KINDS.join(', ')}`)
  return send(kind, values, write)
}

type Values = ReturnType<typeof parse>['values']

async function send(kind: string, values: Values, write: Write): Promise<number> {
  const { sandbox, forgery } = values
  const order = orderOf(kind, values)
  if (forgery === 'list') {
    write(`${(await forgeriesOf(kind, sandbox)).join('\n')}\n`)
    return 0
  }
  const wanted = forgery === 'all' ? await forgeriesOf(kind, sandbox) : [forgery]
  const results: SignalResult[] = []
  for (const one of wanted) {
    const result: SignalResult = await ask(sandbox, 'POST', 'signals', { ...order, forgery: one })
    results.push(result)
    write(report(result, values.verbose))
  }
  return results.every(isAsExpected) ? 0 : 1
}

async function forgeriesOf(kind: string, sandbox: string): Promise<string[]> {
  const { kinds } = await ask(sandbox, 'GET', 'signals')
  const found = kinds.find((one: { kind: string }) => one.kind === kind)
  if (!found) throw new UsageError(`send: expected one kind: ${KINDS.join(', ')}`)
  return found.forgeries
}

function orderOf(kind: string, values: Values): object {
  const { user, source, poll, session, claim, header, body, curfew } = values
  return {
    ...{ kind, user, source, session, curfew },
    delivery: poll ? 'poll' : 'push',
    claims: claim && readPairs(requireValues('claim', claim)),
    header: header && readPairs(requireValues('header', header)),
    body: body === undefined ? undefined : readJson('body', body),
  }
}

function isAsExpected({ forgery, outcome, status }: SignalResult): boolean {
  if (forgery === null) return outcome === 'accepted'
  return outcome === 'rejected' || (outcome === 'unavailable' && status !== null)
}

function report(result: SignalResult, verbose: boolean): string {
  const { kind, source, user, forgery, url, sent, status, outcome, why } = result
  const what = forgery === null ? 'valid' : `forged: ${forgery}`
  const headers = Object.entries(sent.headers).map(([name, value]) => `  ${name}: ${value}\n`)
  const request = verbose ? `${headers.join('')}\n  ${sent.body}\n\n` : ''
  const warning = isAsExpected(result) ? '' : '! '
  return (
    `${kind} (${what}) to the source ${source}, user ${user.email ?? user.subject}\n  ${url}\n${request}` +
    `${warning}${outcome}${status === null ? '' : `, ${status}`}: ${why}\n`
  )
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function requireValues(option: string, pairs: string[]): string[] {
  if (pairs.every((pair) => /^[^=]+=/.test(pair))) return pairs
  throw new UsageError(`--${option}: expected <name>=<value>`)
}

function readJson(option: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`--${option}: expected JSON`)
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the sandbox's own answers
async function ask(sandbox: string, method: string, path: string, body?: object): Promise<any> {
  const url = `${sandbox.replace(/\/$/, '')}/sandbox/${path}`
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  }).catch((error) => {
    throw new Error(`The sandbox is not running at ${sandbox}: ${error.cause?.message ?? error.message}`)
  })
  const text = await response.text()
  if (response.ok) return JSON.parse(text)
  const detail = JSON.parse(text || '{}').errors?.[0]?.detail
  if (response.status === 400) throw new UsageError(detail ?? text)
  throw new Error(`${url} returned ${response.status}: ${detail ?? text}`)
}
