import { textOfUser, userNamed } from '../base/user-name.ts'
import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { note, print, printable, printJson } from '../cli/terminal.ts'
import { kindOf } from '../cli/user.ts'
import type { Revocation, TimelineItem } from '../client/client.ts'
import { explain } from './why/explain.ts'
import { findRevocations } from './why/find.ts'

interface Options {
  email?: boolean
  subject?: boolean
  tenant?: string
  limit: number
  json?: boolean
  profile?: string
}

/** The command `why`. Sets the exit code 1 if there is no revocation, or the last one has not ended the user's access. */
export async function whyCommand(name: string, options: Options): Promise<void> {
  const { tenant, limit, json, profile } = options
  const client = connect(profile)
  const user = userNamed(name, kindOf(options))
  const { revocations, qlikUsers, isComplete } = await findRevocations(client, user, { tenant, limit })
  const explained: { revocation: Revocation; timeline: TimelineItem[] }[] = []
  for (const revocation of revocations) {
    const path = `/revocations/${encodeURIComponent(revocation.id)}/timeline`
    const { items } = await client.call<{ items: TimelineItem[] }>('GET', path)
    explained.push({ revocation, timeline: items })
  }
  if (revocations[0]?.status !== 'completed') process.exitCode = EXIT.no
  if (json) return printJson({ qlikUsers, isComplete, revocations: explained })
  if (!isComplete)
    note('Qlik could not be asked for the user id: revocations under other names are not shown.')
  if (revocations.length === 0) return print(NONE)
  if (user.userId === undefined && revocations.some((one) => textOfUser(one.user) !== name))
    print(`${printable(name)} is the Qlik user ${qlikUsers.map(printable).join(', ')}.`)
  for (const [index, { revocation, timeline }] of explained.entries()) {
    if (index > 0) print('')
    for (const line of explain(revocation, timeline)) print(line)
  }
}

const NONE = `No revocation names this user, or it ended before RETENTION_DAYS. Was the signal rejected? See: curfew rejections`
