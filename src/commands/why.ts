import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { print, printJson } from '../cli/terminal.ts'
import { kindOf, userNamed } from '../cli/user.ts'
import type { Revocation } from '../client/client.ts'
import { explain, type TimelineItem } from './why/explain.ts'

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
  const query = { ...userNamed(name, kindOf(options)), tenant, limit }
  const found: Revocation[] = []
  for await (const one of client.revocations(query)) if (found.push(one) >= limit) break
  const explained: { revocation: Revocation; timeline: TimelineItem[] }[] = []
  for (const revocation of found) {
    const path = `/revocations/${encodeURIComponent(revocation.id)}/timeline`
    const { items } = await client.call<{ items: TimelineItem[] }>('GET', path)
    explained.push({ revocation, timeline: items })
  }
  if (found[0]?.status !== 'completed') process.exitCode = EXIT.no
  if (json) return printJson({ revocations: explained })
  if (found.length === 0) return print(NONE)
  for (const [index, { revocation, timeline }] of explained.entries()) {
    if (index > 0) print('')
    for (const line of explain(revocation, timeline)) print(line)
  }
}

const NONE = `No revocation names this user, or it ended before RETENTION_DAYS. Other names of the user are other searches, except that a
Qlik user id also finds names that led to it. See also: curfew audit --event request-rejected`
