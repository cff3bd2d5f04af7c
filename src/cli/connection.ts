import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { CurfewClient } from '../client/client.ts'
import { CommandError } from './command-error.ts'
import { EXIT } from './exit-codes.ts'

const DEFAULT_URL = 'http://127.0.0.1:3000'
const ACCESSIBLE_BY_OTHERS = 0o077
/** As long as the service itself needs, for exports and dry runs. */
const ATTEMPT_TIMEOUT_MS = 30_000
const TOTAL_TIMEOUT_MS = 60_000

export interface Connection {
  url: string
  /** Null: only routes without authentication are available. */
  apiKey: string | null
}

type Variables = Readonly<Record<string, string | undefined>>

/**
 * The address and the API key of the service: from a profile file if one is named, else from CURFEW_URL and
 * CURFEW_API_KEY (or CURFEW_API_KEY_FILE), else from the default profile. They are never combined: a key is sent only to
 * the address it was stored with.
 * @throws CommandError
 */
export function readConnection(
  profile: string | undefined,
  environment: Variables = process.env,
): Connection {
  const path = profile ?? defaultProfile(environment)
  const isInEnvironment = Object.keys(environment).some((name) => /^CURFEW_(URL|API_KEY(_FILE)?)$/.test(name))
  const read = profile !== undefined || (!isInEnvironment && exists(path)) ? readProfile(path) : environment
  const url = read.CURFEW_URL || DEFAULT_URL
  if (!isAddress(url))
    throw new CommandError(
      'CURFEW_URL: expected an address without a user name and password, such as https://curfew.internal',
      EXIT.config,
    )
  return {
    url: url.replace(/\/+$/, ''),
    apiKey: read.CURFEW_API_KEY?.trim() || keyInFile(read.CURFEW_API_KEY_FILE),
  }
}

/** The address appears in messages, so it must not contain a password. */
function isAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return /^https?:$/.test(protocol) && username === '' && password === ''
}

/** A client of the service. @throws CommandError if no API key is configured */
export function connect(profile: string | undefined): CurfewClient {
  const { url, apiKey } = readConnection(profile)
  if (apiKey === null) throw new CommandError(noKey(), EXIT.config)
  return clientFor(url, apiKey)
}

export function clientFor(url: string, apiKey: string): CurfewClient {
  return new CurfewClient({
    url,
    apiKey,
    attempts: 4,
    attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
    totalTimeoutMs: TOTAL_TIMEOUT_MS,
  })
}

function noKey(): string {
  return `No API key is configured. Set CURFEW_URL and CURFEW_API_KEY, or write both lines to the file ${defaultProfile(process.env)} with mode 0600.`
}

function defaultProfile({ XDG_CONFIG_HOME }: Variables): string {
  return join(XDG_CONFIG_HOME || join(homedir(), '.config'), 'curfew', 'profile')
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function readProfile(path: string): Variables {
  requirePrivate(path, 'The profile')
  return parseEnv(readFileSync(path, 'utf8'))
}

function keyInFile(path: string | undefined): string | null {
  if (!path) return null
  requirePrivate(path, 'CURFEW_API_KEY_FILE')
  return readFileSync(path, 'utf8').trim() || null
}

/** Windows has no such mode. */
function requirePrivate(path: string, what: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats?.isFile()) throw new CommandError(`${what} ${path} is not a readable file.`, EXIT.config)
  if (process.platform !== 'win32' && (stats.mode & ACCESSIBLE_BY_OTHERS) !== 0)
    throw new CommandError(
      `Others can access ${path}, which holds an API key. Run: chmod 600 ${path}`,
      EXIT.config,
    )
}
