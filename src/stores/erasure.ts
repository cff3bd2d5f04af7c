import type { Erased, ErasureRequest } from '../revocation/audit/audit-log.ts'
import type { AuditEvent } from '../revocation/audit/entry.ts'
import { operatorEvent } from '../revocation/audit/events.ts'
import { isSameUser, NamesOfUser } from '../revocation/audit/names.ts'
import type { Origin } from '../revocation/origin.ts'
import type { Revocation } from '../revocation/revocation.ts'
import type { UserReference } from '../revocation/signal.ts'
import type { AuditDialect, Rows } from './audit-dialect.ts'
import { ErasureSearch, type FoundEntry } from './erasure-search.ts'
import {
  type Counts,
  emptyTargets,
  noCounts,
  type Statement,
  statementsFor,
  type Targets,
} from './erasure-targets.ts'
import { toRevocation, toRow } from './rows.ts'

export interface ErasureStore {
  rows: Rows
  dialect: AuditDialect
  /** Runs statements, and records an event with the numbers of returned rows, in one transaction. */
  apply(statements: readonly Statement[], event: (counts: Counts) => AuditEvent): Promise<Counts>
}

/** Limits a transaction. */
const TARGETS_AT_ONCE = 500

/**
 * See `AuditLog.erase`. Usually one transaction. With more than 500 rows it is several, each of which records what it
 * erased; if the process ends in between, a repeated request finds the rest.
 */
export async function erase(
  { tenant, user }: ErasureRequest,
  origin: Origin | undefined,
  { rows, dialect, apply }: ErasureStore,
): Promise<Erased> {
  const search = new ErasureSearch(tenant, rows, dialect)
  const names = await namesOf(user, search)
  const pending = await search.countPending(names)
  const event = (counts: Counts): AuditEvent => ({
    ...operatorEvent('erased', { ...counts, pending }, origin),
    tenant,
  })
  const total = noCounts()
  let batch = emptyTargets()
  let transactions = 0
  const flush = async () => {
    const counts = await apply(statementsFor(batch, dialect), event)
    for (const kind of Object.keys(total) as (keyof Counts)[]) total[kind] += counts[kind]
    transactions += 1
    batch = emptyTargets()
  }
  for await (const add of targetsOf(tenant, names, search)) {
    add(batch)
    if (sizeOf(batch) >= TARGETS_AT_ONCE) await flush()
  }
  if (transactions === 0 || sizeOf(batch) > 0) await flush()
  return { ...total, pending }
}

async function namesOf(user: UserReference, search: ErasureSearch): Promise<UserReference[]> {
  const names = new NamesOfUser(user)
  const looked = new Set<string>()
  const newNames = () => names.all().filter(({ kind, value }) => !looked.has(`${kind} ${value}`))
  for (;;) {
    for (const name of newNames()) {
      looked.add(`${name.kind} ${name.value}`)
      for await (const found of search.resolutions(name)) names.note(found)
    }
    if (newNames().length > 0) continue
    // Before names are followed: one that led to another Qlik user in another case leads to none.
    for await (const found of search.similar(names.all(), names.followedIds())) names.note(found)
    if (newNames().length > 0) continue
    if (!names.follow()) return names.all()
  }
}

/**
 * Rows that lead from one name to another come last, those of the first name at the very end. So a repeated request finds the
 * rest of an interrupted erasure.
 */
async function* targetsOf(
  tenant: string,
  names: readonly UserReference[],
  search: ErasureSearch,
): AsyncGenerator<(to: Targets) => void> {
  const sids = new Map<string, Set<string>>()
  const noteSid = (source: string | undefined, sid: string | undefined) => {
    if (source !== undefined && sid !== undefined) sids.set(source, (sids.get(source) ?? new Set()).add(sid))
  }
  for (const name of names)
    for await (const { personal, source } of search.entries(name)) noteSid(source, personal.sid)
  for await (const session of search.sessions(names)) noteSid(session.source, session.sid)

  for await (const entry of search.sessionEntries(sids)) yield (to) => to.entries.push(placeOf(entry))
  for await (const session of search.sessions(names))
    yield (to) => (session.source === undefined ? to.unsourced : to.sessions).push(session)
  for await (const { key, answer } of search.replays(names)) {
    const after = withoutNames(answer, tenant, names)
    if (after !== answer) yield (to) => to.replays.push({ key, before: answer, after })
  }
  for await (const { id } of search.notifications(names)) yield (to) => to.notifications.push({ id })
  for (const isLink of [false, true]) {
    for (const name of names.toReversed()) {
      for await (const entry of search.entries(name))
        if ((entry.personal.qlikUsers !== undefined) === isLink) yield (to) => to.entries.push(placeOf(entry))
      for await (const { id, resolved } of search.revocations(name, { isSettled: true }))
        if (resolved.length > 0 === isLink) yield (to) => to.revocations.push({ id })
    }
  }
}

const placeOf = ({ writer, sequence }: FoundEntry) => ({ writer, sequence })

function sizeOf(targets: Targets): number {
  return Object.values(targets).reduce((sum, { length }) => sum + length, 0)
}

/** The answer is kept without the personal data, so that a repeated request does nothing twice. */
function withoutNames(answer: string, tenant: string, names: readonly UserReference[]): string {
  const rows: unknown = JSON.parse(answer)
  if (!Array.isArray(rows)) return answer
  const revocations = rows.map(toRevocation)
  const isNamed = (one: Revocation) =>
    one.tenant === tenant && names.some((name) => isSameUser(name, one.user))
  if (!revocations.some(isNamed)) return answer
  const erased = revocations.map((one) =>
    isNamed(one) ? { ...one, user: { ...one.user, value: '(erased)' }, resolved: [], deviceType: null } : one,
  )
  return JSON.stringify(erased.map(toRow))
}
