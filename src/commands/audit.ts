import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { link, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { userNamed } from '../base/user-name.ts'
import { CommandError } from '../cli/command-error.ts'
import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { jsonText, note, print, printable } from '../cli/terminal.ts'
import { kindOf } from '../cli/user.ts'

interface ListOptions {
  user?: string
  email?: boolean
  subject?: boolean
  sender?: string
  event?: string
  revocation?: string
  tenant?: string
  since?: string
  until?: string
  limit: number
  json?: boolean
  profile?: string
}

interface Item {
  entry: {
    event: string
    /** ms since the epoch */
    at: number
    tenant?: string | null
    revocation?: string | null
    details?: Record<string, unknown>
    address?: string | null
    by?: { kind: string; name?: string } | null
  }
  private?: { user?: { kind: string; value: string } | null } | null
}

/** The command `audit`: entries of the audit trail, newest first. With `--json`, one per line. */
export async function auditCommand(options: ListOptions): Promise<void> {
  const { user, sender, event, revocation, tenant, since, until, limit, json, profile } = options
  const client = connect(profile)
  const kind = kindOf(options)
  const named = user === undefined ? {} : userNamed(user, kind)
  const query = { ...named, sender, event, revocation, tenant, from: since, to: until }
  let shown = 0
  for await (const item of client.pages<Item>('/audit', { ...query, limit: Math.min(limit, 1_000) })) {
    if (shown === limit) {
      if (!json) note(`The first ${limit} entries: --limit shows more.`)
      break
    }
    shown += 1
    print(json ? jsonText(item) : describe(item))
  }
  if (shown === 0 && !json) note('No entries.')
}

/** Of the details, those that say why. All are in `--json`. */
const SHOWN_DETAILS = ['code', 'route', 'reason', 'source', 'status', 'outcome', 'error']

function describe({ entry, private: personal }: Item): string {
  const { event, at, tenant, by, address, revocation, details = {} } = entry
  const parts = [
    new Date(at).toISOString(),
    event,
    personal?.user?.value,
    by && `by ${by.kind}${by.name ? ` ${by.name}` : ''}`,
    address && `from ${address}`,
    tenant && `tenant ${tenant}`,
    revocation,
    ...SHOWN_DETAILS.flatMap((name) => (typeof details[name] === 'string' ? `${name} ${details[name]}` : [])),
  ]
  return parts.filter(Boolean).map(printable).join('  ')
}

/**
 * The command `audit export`: writes the whole audit trail to a new file that only its owner can read, or to standard
 * output. An incomplete file is not left behind.
 * @throws CommandError if the export ends early
 */
export async function exportCommand(file: string, { profile }: { profile?: string }): Promise<void> {
  const { body } = await connect(profile).open('GET', '/audit/export')
  if (!body) throw new CommandError('The response is empty.', EXIT.temporary)
  const lines = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
  // A new name: in a folder that others can write, a known one could be a link to another file.
  const partial = `${file}.${randomUUID()}.partial`
  try {
    if (file === '-') return await pipeline(lines, process.stdout, { end: false })
    await pipeline(lines, createWriteStream(partial, { mode: 0o600, flags: 'wx' }))
    // Unlike a rename, it replaces no file.
    await link(partial, file)
  } catch (error) {
    if (isFileError(error)) throw new CommandError(`The file cannot be written: ${error.message}.`, EXIT.data)
    throw new CommandError('The export ended early. Run it again.', EXIT.temporary)
  } finally {
    await rm(partial, { force: true })
  }
  note(`Exported to ${file}. To verify it: curfew audit verify ${file}`)
}

function isFileError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && 'path' in error
}
