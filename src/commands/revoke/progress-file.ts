import { appendFileSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { CommandError } from '../../cli/command-error.ts'
import { EXIT } from '../../cli/exit-codes.ts'
import type { User } from '../../client/client.ts'

const Settings = z.object({
  url: z.string(),
  tenant: z.string().optional(),
  reason: z.string(),
  scope: z.string().optional(),
  wait: z.boolean().optional(),
})
export type Settings = z.infer<typeof Settings>

const Head = z.object({ run: z.string(), occurredAt: z.iso.datetime(), settings: Settings })
const Line = z.object({
  user: z.object({
    userId: z.string().optional(),
    subject: z.string().optional(),
    email: z.string().optional(),
  }),
  id: z.string(),
})

/** One run of `revoke`: what it has already sent. */
export interface Progress {
  run: string
  occurredAt: string
  /** Ids of accepted revocations, by user as JSON. */
  accepted: Map<string, string>
  isResumed: boolean
  accept(entries: readonly { user: User; id: string }[]): void
  finish(): void
}

/**
 * Opens the file that an interrupted run left, or starts one: the first line describes the run, each further one a user
 * whose revocation Curfew has stored. It contains the names of users, so only its owner can read it.
 * @param path null: nothing is kept
 * @throws CommandError if the run had other settings, or the file cannot be trusted or written
 */
export function openProgress(
  path: string | null,
  run: { id: string; now: Date },
  settings: Settings,
): Progress {
  const found = path === null ? null : read(path, settings)
  const head = found?.head ?? { run: run.id, occurredAt: run.now.toISOString(), settings }
  const accepted = found?.accepted ?? new Map<string, string>()
  if (path !== null && !found) start(path, head)
  return {
    run: head.run,
    occurredAt: head.occurredAt,
    accepted,
    isResumed: found !== null,
    accept(entries) {
      for (const { user, id } of entries) accepted.set(JSON.stringify(user), id)
      if (path !== null) appendFileSync(path, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
    },
    finish() {
      if (path !== null) rmSync(path, { force: true })
    },
  }
}

function start(path: string, head: z.infer<typeof Head>): void {
  try {
    writeFileSync(path, `${JSON.stringify(head)}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    const reason = error instanceof Error ? error.message : error
    throw new CommandError(`The progress file cannot be written: ${reason}. Nothing was done.`, EXIT.data)
  }
}

/**
 * Users that the file names are skipped, so whoever can write it decides who keeps access: a file of someone else is not
 * accepted.
 */
function requireOwn(path: string): void {
  const stats = lstatSync(path)
  const isOwn = process.getuid === undefined || (stats.uid === process.getuid() && (stats.mode & 0o022) === 0)
  if (!stats.isFile() || !isOwn)
    throw new CommandError(`${path} is not a file that only you can write. Move it away.`, EXIT.data)
}

/** Null if there is no file. */
function read(path: string, settings: Settings) {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null
  requireOwn(path)
  const [first = '', ...lines] = readFileSync(path, 'utf8').split('\n')
  const head = Head.safeParse(jsonOf(first))
  if (!head.success) throw new CommandError(`${path} is not a progress file. Move it away.`, EXIT.data)
  if (!isDeepStrictEqual({ ...head.data.settings, wait: undefined }, { ...settings, wait: undefined }))
    throw new CommandError(
      `An earlier run with other options was interrupted. Run it again with the same options, or remove ${path} to start from the beginning.`,
      EXIT.usage,
    )
  // The last line is incomplete if the process was killed. That user is sent again, with the same time.
  const entries = lines.flatMap((line) => Line.safeParse(jsonOf(line)).data ?? [])
  return { head: head.data, accepted: new Map(entries.map(({ user, id }) => [JSON.stringify(user), id])) }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
