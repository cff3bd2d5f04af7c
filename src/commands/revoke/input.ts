import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { UsageError } from '../../base/errors.ts'
import { problemWith, userNamed } from '../../base/user-name.ts'
import { type CsvUsers, MAX_USERS, readUsersCsv } from '../../base/users-csv.ts'
import { CommandError } from '../../cli/command-error.ts'
import { EXIT } from '../../cli/exit-codes.ts'
import { count, note } from '../../cli/terminal.ts'
import { kindOf } from '../../cli/user.ts'
import type { Reason, User } from '../../client/client.ts'

export interface RevokeOptions {
  file?: string
  email?: boolean
  subject?: boolean
  skipInvalid?: boolean
  json?: boolean
  reason: Reason
  scope?: 'issued-before' | 'all'
  tenant?: string
  dryRun?: boolean
  wait?: boolean
  /** Without a running service. */
  direct?: boolean
  yes?: boolean
  profile?: string
}

/** The users that a command names. */
export interface Input {
  users: User[]
  /** Null for users that are arguments. */
  progressPath: string | null
}

/** Reads users from arguments or a file. @throws UsageError, CommandError */
export async function readUsers(names: string[], options: RevokeOptions): Promise<Input> {
  const kind = kindOf(options)
  const { file } = options
  if ((file === undefined) === (names.length === 0))
    throw new UsageError(
      'Name users, or a file with --file: one of the two.\n\nUsage: curfew revoke [options] [user...]',
    )
  if (file === undefined) {
    const mistake = names.map(problemWith).find((problem) => problem !== null)
    if (mistake) throw new UsageError(`Not a user: ${mistake}.`)
    return { users: names.map((name) => userNamed(name, kind)), progressPath: null }
  }
  const bytes = await contentOf(file)
  const read = await readUsersCsv(bytes, kind)
  const { users } = read
  if (read.brokenCount > 0) reportBroken(file, read, options)
  if (users.length === 0) throw new CommandError('The file names no users.', EXIT.data)
  if (users.length > MAX_USERS)
    throw new CommandError(
      `The file names more than ${count(MAX_USERS, 'user')}. Split it into files of up to ${count(MAX_USERS, 'user')}.`,
      EXIT.data,
    )
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
  return { users, progressPath: file === '-' ? `curfew-revoke-${digest}.progress` : `${file}.progress` }
}

async function contentOf(file: string): Promise<Uint8Array> {
  if (file === '-') return buffer(process.stdin)
  try {
    return readFileSync(file)
  } catch (error) {
    throw new UsageError(`The file cannot be read: ${error instanceof Error ? error.message : error}.`)
  }
}

/** @throws CommandError unless `--skip-invalid` is given */
function reportBroken(
  file: string,
  { broken, brokenCount }: CsvUsers,
  { skipInvalid, json }: RevokeOptions,
): void {
  const name = file === '-' ? 'standard input' : file
  const lines = broken.map(({ line, problem }) => `${name}:${line}: ${problem}`)
  if (brokenCount > broken.length) lines.push(`… and ${brokenCount - broken.length} more`)
  const text = lines.join('\n')
  if (!skipInvalid)
    throw new CommandError(
      `${text}\nNothing was done. Correct ${count(brokenCount, 'line')}, or skip them with --skip-invalid.`,
      EXIT.data,
    )
  if (!json) note(`${text}\nSkipped: ${count(brokenCount, 'line')}.`)
}
