import { z } from 'zod'
import { latest } from '../base/times.ts'
import type { Batch } from '../revocation/batch.ts'
import { FAILED_IDS } from '../revocation/batch-summary.ts'
import { Failure, Outcome, Status, type TokenCounts } from '../revocation/revocation.ts'
import { Reason } from '../revocation/signal.ts'
import type { BatchGroup, BatchReading } from '../revocation/store/batch-store.ts'
import type { AuditDialect, Rows } from './audit-dialect.ts'
import { type Bind, bound } from './windows.ts'

/** Reading this many members blocks SQLite's event loop for a few ms. */
const MEMBERS_AT_ONCE = 1_000

type Dialect = Pick<AuditDialect, 'table' | 'parameter'>

const number = z.coerce.number()
const flag = z.coerce.number().transform((value) => value === 1)
const code = Failure.shape.code

const GroupRow = z.object({
  status: Status,
  outcome: z.enum([...Outcome.options, 'no-matching-user']).nullable(),
  verified: flag,
  confirming: flag,
  code: code.nullable(),
  reason: Reason.nullable(),
  size: z.null().or(number),
  listed: flag,
  run_id: z.string().nullable(),
  count: number,
  newest_id: z.string(),
  next_attempt_at: z.null().or(number),
  created_at: number,
  revoked: number,
  already_gone: number,
  kept: number,
  remaining: number,
})
type GroupRow = z.infer<typeof GroupRow>

const FailedRow = z.object({ code, id: z.string() })

/** Equal in all members of a group, in this order. */
const KEYS = {
  status: 'r.status',
  outcome: `CASE WHEN r.outcome = 'no-such-user' AND r.user_kind <> 'userId' THEN 'no-matching-user' ELSE r.outcome END`,
  verified: `CASE WHEN r.status = 'completed' AND r.verification_due_at IS NULL THEN r.verified ELSE 0 END`,
  confirming: `CASE WHEN r.status = 'completed' AND r.verification_due_at IS NOT NULL THEN 1 ELSE 0 END`,
  code: `CASE WHEN r.status = 'failed' THEN r.error_code END`,
  reason: `CASE WHEN r.status IN ('queued', 'running') THEN r.reason END`,
  size: `CASE WHEN r.status IN ('queued', 'running') THEN r.size END`,
  listed: `CASE WHEN r.status IN ('queued', 'running') AND r.remaining > 0 THEN 1 ELSE 0 END`,
  run_id: `CASE WHEN r.status = 'running' THEN r.id END`,
}
const SUMS = ['revoked', 'already_gone', 'kept', 'remaining'].map((name) => `sum(r.${name}) AS ${name}`)
const SELECTED = [
  ...Object.entries(KEYS).map(([name, expression]) => `${expression} AS ${name}`),
  'count(*) AS count',
  'max(CAST(r.id AS text)) AS newest_id',
  'max(r.next_attempt_at) AS next_attempt_at',
  'min(m.at) AS created_at',
  ...SUMS,
].join(', ')
const GROUPED = Object.keys(KEYS)
  .map((_, index) => index + 1)
  .join(', ')

/** See `BatchStore.readBatch`. */
export async function readBatch(batch: Batch, rows: Rows, dialect: Dialect): Promise<BatchReading | null> {
  const groups = new Map<string, BatchGroup>()
  const failed: BatchReading['failed'] = []
  let createdAt = Number.POSITIVE_INFINITY
  for await (const part of partsOf(batch, rows, dialect)) {
    const found = (await read(part, rows, dialect, groupsIn)).map((row) => GroupRow.parse(row))
    for (const row of found) {
      createdAt = Math.min(createdAt, row.created_at)
      add(groups, row)
    }
    if (found.some(({ status }) => status === 'failed'))
      failed.push(...(await read(part, rows, dialect, failedIn)).map((row) => FailedRow.parse(row)))
  }
  return groups.size === 0 ? null : { createdAt, groups: [...groups.values()], failed }
}

/** See `BatchStore.memberSince`. */
export async function memberSince(
  { tenant, id }: Batch,
  revocationId: string,
  rows: Rows,
  dialect: Dialect,
): Promise<number | null> {
  const [found] = await bound(
    rows,
    dialect,
    (bind) =>
      `SELECT at FROM ${dialect.table('batch_members')}
       WHERE tenant = ${bind(tenant)} AND batch = ${bind(id)} AND revocation_id = ${bind(revocationId)}`,
  )
  return found ? number.parse(found.at) : null
}

/** Members whose ids follow `after`, up to `last`; null for no limit. */
interface Part extends Batch {
  after: string | null
  last: string | null
}

async function* partsOf(batch: Batch, rows: Rows, dialect: Dialect): AsyncGenerator<Part> {
  for (let after: string | null = null; ; ) {
    const rest: Part = { ...batch, after, last: null }
    const [end] = await read(
      rest,
      rows,
      dialect,
      (members) => `${members} ORDER BY revocation_id LIMIT 1 OFFSET ${MEMBERS_AT_ONCE - 1}`,
    )
    const last = end ? String(end.revocation_id) : null
    yield { ...rest, last }
    if (last === null) return
    after = last
  }
}

/** Runs a statement about the members of a part. */
function read(
  { tenant, id, after, last }: Part,
  rows: Rows,
  dialect: Dialect,
  text: (members: string, table: Dialect['table']) => string,
) {
  const members = (bind: Bind) => {
    const past = after === null ? '' : `AND revocation_id > ${bind(after)}`
    const within = last === null ? '' : `AND revocation_id <= ${bind(last)}`
    return `SELECT revocation_id, at FROM ${dialect.table('batch_members')}
      WHERE tenant = ${bind(tenant)} AND batch = ${bind(id)} ${past} ${within}`
  }
  return bound(rows, dialect, (bind) => text(members(bind), dialect.table))
}

/** The limit leaves room for members that are added in the meantime; without one, PostgreSQL overestimates the range. */
const joined = (members: string, table: Dialect['table']) =>
  `FROM (${members} ORDER BY revocation_id LIMIT ${2 * MEMBERS_AT_ONCE}) AS m
   JOIN ${table('revocations')} AS r ON r.id = m.revocation_id`

function groupsIn(members: string, table: Dialect['table']): string {
  return `SELECT ${SELECTED} ${joined(members, table)} GROUP BY ${GROUPED}`
}

function failedIn(members: string, table: Dialect['table']): string {
  return `SELECT code, id FROM (
      SELECT r.error_code AS code, r.id, row_number() OVER (PARTITION BY r.error_code ORDER BY r.id) AS place
      ${joined(members, table)} WHERE r.status = 'failed') AS numbered
    WHERE place <= ${FAILED_IDS} ORDER BY code, id`
}

function add(groups: Map<string, BatchGroup>, row: GroupRow): void {
  const { status, outcome, verified, confirming, code, reason, size, listed, run_id } = row
  const key = [status, outcome, verified, confirming, code, reason, size, listed, run_id].join(' ')
  const known = groups.get(key)
  const group = toGroup(row)
  if (known === undefined) groups.set(key, group)
  else groups.set(key, merged(known, group))
}

function toGroup(row: GroupRow): BatchGroup {
  const { status, outcome, code, reason, size, count, revoked, kept, remaining } = row
  return {
    ...{ status, outcome, code, reason, size, count },
    isVerified: row.verified,
    isConfirming: row.confirming,
    newestId: row.newest_id,
    nextAttemptAt: row.next_attempt_at,
    tokens: { revoked, alreadyGone: row.already_gone, kept, remaining },
  }
}

function merged(one: BatchGroup, other: BatchGroup): BatchGroup {
  const sum = (name: keyof TokenCounts) => one.tokens[name] + other.tokens[name]
  return {
    ...one,
    count: one.count + other.count,
    newestId: one.newestId > other.newestId ? one.newestId : other.newestId,
    nextAttemptAt: latest(one.nextAttemptAt, other.nextAttemptAt),
    tokens: {
      revoked: sum('revoked'),
      alreadyGone: sum('alreadyGone'),
      kept: sum('kept'),
      remaining: sum('remaining'),
    },
  }
}
