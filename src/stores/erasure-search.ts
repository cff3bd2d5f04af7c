import { z } from 'zod'
import { jsonOrUndefined } from '../base/json-or-undefined.ts'
import { PrivatePart } from '../revocation/audit/entry.ts'
import { isSameUser, type Resolution } from '../revocation/audit/names.ts'
import { UserKind, type UserReference } from '../revocation/signal.ts'
import type { AuditDialect, Rows } from './audit-dialect.ts'
import { partsOf } from './audit-parts.ts'
import { type Bind, bound, scan } from './windows.ts'

const Named = z
  .object({ user_kind: UserKind, user_value: z.string() })
  .transform(({ user_kind, user_value }): UserReference => ({ kind: user_kind, value: user_value }))
const QlikUsers = z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text)))
const RevocationRow = z.object({ id: z.string(), resolved: QlikUsers })
const EntryRow = z.object({
  writer: z.string(),
  sequence: z.number(),
  entry: z.string(),
  private: z.string().nullable(),
})
const Place = z.object({ at: z.number(), writer: z.string(), sequence: z.number() })
const SessionRow = z.object({ tenant: z.string(), source: z.string().optional(), sid: z.string() })
const NotificationRow = z.object({ id: z.string() })
const ReplayRow = z.object({ key: z.string(), answer: z.string() })

export type FoundRevocation = z.infer<typeof RevocationRow>
export type FoundSession = z.infer<typeof SessionRow> & { user: UserReference }
export type FoundReplay = z.infer<typeof ReplayRow>

/** An entry of which the private part is not erased. */
export interface FoundEntry {
  writer: string
  sequence: number
  /** What can be read of it: other programs may have changed it. */
  personal: Partial<PrivatePart>
  source: string | undefined
}

const ROWS_AT_ONCE = 1_000
/** See `isSettled`. */
export const SETTLED =
  "(status IN ('failed', 'cancelled') OR (status = 'completed' AND verification_due_at IS NULL))"

/** Finds the rows that name a user, in one tenant, with statements of limited size. */
export class ErasureSearch {
  readonly #rows: Rows
  readonly #dialect: AuditDialect
  readonly #tenant: string

  constructor(tenant: string, rows: Rows, dialect: AuditDialect) {
    this.#tenant = tenant
    this.#rows = rows
    this.#dialect = dialect
  }

  /** The resolutions in the history that an index finds: those of the name, and those that lead to a Qlik user. */
  async *resolutions(user: UserReference): AsyncGenerator<Resolution> {
    for await (const { resolved } of this.revocations(user)) yield { user, qlikUsers: resolved }
    for await (const { personal } of this.entries(user)) yield { user, qlikUsers: personal.qlikUsers ?? [] }
    if (user.kind !== 'userId') return
    const { table } = this.#dialect
    const found = await this.#query(
      (bind) =>
        `SELECT DISTINCT user_kind, user_value, resolved FROM ${table('resolved_users')}
         JOIN ${table('revocations')} ON id = revocation_id WHERE user_id = ${bind(user.value)} AND tenant = ${bind(this.#tenant)}`,
    )
    for (const row of found) yield { user: Named.parse(row), qlikUsers: QlikUsers.parse(row.resolved) }
  }

  /** The resolutions that no index finds: of names that differ in case, and of entries that lead to a Qlik user. */
  async *similar(names: readonly UserReference[], userIds: readonly string[]): AsyncGenerator<Resolution> {
    const { containsAny, isIn, lower, list } = this.#dialect
    const values = names.map(({ value }) => lowerAscii(value))
    const revocations = this.#scan('revocations', ['id'], 'user_kind, user_value, resolved', (bind) =>
      isIn(lower('user_value'), bind(list(values))),
    )
    for await (const row of revocations)
      yield { user: Named.parse(row), qlikUsers: QlikUsers.parse(row.resolved) }
    const texts = [...values, ...userIds].map(quotedLower)
    for await (const { personal } of this.#scanEntries((bind) =>
      containsAny(lower('private'), bind(list(texts))),
    ))
      if (personal.user) yield { user: personal.user, qlikUsers: personal.qlikUsers ?? [] }
  }

  /** Entries of this user. */
  async *entries(user: UserReference): AsyncGenerator<FoundEntry> {
    const parts = await partsOf(user, Number.MAX_SAFE_INTEGER, this.#rows, this.#dialect)
    for (const { part } of parts) yield* this.#entriesIn(part, user)
  }

  async *#entriesIn(part: number | null, { kind, value }: UserReference): AsyncGenerator<FoundEntry> {
    const { table, timeInIndex: time, userPart } = this.#dialect
    let after: z.infer<typeof Place> | null = null
    for (;;) {
      const found = await this.#query((bind) => {
        const at = after && bind(after.at)
        const past = after
          ? `AND ${time} >= ${at} AND (${time} > ${at} OR (writer, sequence) > (${bind(after.writer)}, ${bind(after.sequence)}))`
          : ''
        const inPart = part === null ? '' : `AND ${userPart} = ${bind(part)}`
        return `SELECT at, writer, sequence, entry, private FROM ${table('audit_entries')}
          WHERE user_value = ${bind(value)} AND user_kind = ${bind(kind)} ${inPart} AND tenant = ${bind(this.#tenant)} ${past}
          ORDER BY ${time}, writer, sequence LIMIT ${ROWS_AT_ONCE}`
      })
      yield* found.map(toEntry)
      if (found.length < ROWS_AT_ONCE) return
      after = Place.parse(found.at(-1))
    }
  }

  /** Entries that name one of these sessions, but no user. @param sids by source */
  async *sessionEntries(sids: ReadonlyMap<string, ReadonlySet<string>>): AsyncGenerator<FoundEntry> {
    const { containsAny, lower, list } = this.#dialect
    const texts = [...new Set([...sids.values()].flatMap((some) => [...some]))].map(quotedLower)
    if (texts.length === 0) return
    const found = this.#scanEntries(
      (bind) => `user_value IS NULL AND ${containsAny(lower('private'), bind(list(texts)))}`,
    )
    for await (const entry of found)
      if (entry.personal.sid && sids.get(entry.source ?? '')?.has(entry.personal.sid)) yield entry
  }

  /** Settled revocations of this user, or all. */
  async *revocations(
    { kind, value }: UserReference,
    { isSettled = false } = {},
  ): AsyncGenerator<FoundRevocation> {
    let after: string | null = null
    for (;;) {
      const found = await this.#query((bind) => {
        const past = after === null ? '' : `AND id > ${bind(after)}`
        return `SELECT id, resolved FROM ${this.#dialect.table('revocations')}
          WHERE user_value = ${bind(value)} AND user_kind = ${bind(kind)} AND tenant = ${bind(this.#tenant)}
            ${isSettled ? `AND ${SETTLED}` : ''} ${past} ORDER BY id LIMIT ${ROWS_AT_ONCE}`
      })
      const revocations: FoundRevocation[] = found.map((row) => RevocationRow.parse(row))
      yield* revocations
      after = revocations.at(-1)?.id ?? null
      if (revocations.length < ROWS_AT_ONCE) return
    }
  }

  async countPending(names: readonly UserReference[]): Promise<number> {
    let pending = 0
    for (const { kind, value } of names) {
      const [row] = await this.#query(
        (bind) => `SELECT count(*) AS pending FROM ${this.#dialect.table('revocations')}
          WHERE user_value = ${bind(value)} AND user_kind = ${bind(kind)} AND tenant = ${bind(this.#tenant)} AND NOT ${SETTLED}`,
      )
      pending += Number(row?.pending)
    }
    return pending
  }

  /** Sessions of the user. Those without a source were recorded by earlier versions. */
  async *sessions(names: readonly UserReference[]): AsyncGenerator<FoundSession> {
    const { isIn, lower, list } = this.#dialect
    const values = list(names.map(({ value }) => lowerAscii(value)))
    for (const [table, keys] of [
      ['source_sessions', ['tenant', 'source', 'sid']],
      ['sessions', ['tenant', 'sid']],
    ] as const) {
      const found = this.#scan(table, keys, `${keys.join(', ')}, user_kind, user_value`, (bind) =>
        isIn(lower('user_value'), bind(values)),
      )
      for await (const row of found) {
        const user = Named.parse(row)
        if (names.some((name) => isSameUser(name, user))) yield { ...SessionRow.parse(row), user }
      }
    }
  }

  /** Stored answers that may contain one of these names. */
  async *replays(names: readonly UserReference[]): AsyncGenerator<FoundReplay> {
    const { containsAny, lower, list } = this.#dialect
    const texts = list(names.map(({ value }) => quotedLower(value)))
    const columns = 'key, answer'
    const condition = (bind: Bind) => `answer IS NOT NULL AND ${containsAny(lower('answer'), bind(texts))}`
    for await (const part of scan(
      { table: 'replays', keys: ['key'], columns, condition },
      this.#rows,
      this.#dialect,
    ))
      for (const row of part) yield ReplayRow.parse(row)
  }

  /** Notifications about the user. */
  async *notifications(names: readonly UserReference[]): AsyncGenerator<{ id: string }> {
    const { isIn, lower, list } = this.#dialect
    const values = list(names.map(({ value }) => lowerAscii(value)))
    const found = this.#scan('notifications', ['id'], 'id, user_kind, user_value', (bind) =>
      isIn(lower('user_value'), bind(values)),
    )
    for await (const row of found) {
      const user = Named.parse(row)
      if (names.some((name) => isSameUser(name, user))) yield NotificationRow.parse(row)
    }
  }

  async *#scanEntries(condition: (bind: Bind) => string): AsyncGenerator<FoundEntry> {
    const columns = 'writer, sequence, entry, private'
    const isPersonal = (bind: Bind) => `private IS NOT NULL AND ${condition(bind)}`
    for await (const row of this.#scan('audit_entries', ['writer', 'sequence'], columns, isPersonal))
      yield toEntry(row)
  }

  /** Scans a table for rows of the tenant. */
  async *#scan(
    table: string,
    keys: readonly string[],
    columns: string,
    condition: (bind: Bind) => string,
  ): AsyncGenerator<Record<string, unknown>> {
    const ofTenant = (bind: Bind) => `tenant = ${bind(this.#tenant)} AND ${condition(bind)}`
    for await (const part of scan({ table, keys, columns, condition: ofTenant }, this.#rows, this.#dialect))
      yield* part
  }

  #query(text: (bind: Bind) => string) {
    return bound(this.#rows, this.#dialect, text)
  }
}

function toEntry(row: unknown): FoundEntry {
  const { writer, sequence, entry, private: personal } = EntryRow.parse(row)
  const { details } =
    z.object({ details: z.object({ source: z.string() }) }).safeParse(jsonOrUndefined(entry)).data ?? {}
  const { data = {} } = PrivatePart.partial().safeParse(jsonOrUndefined(personal ?? ''))
  return { writer, sequence, personal: data, source: details?.source }
}

const lowerAscii = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
/** As it occurs in stored JSON, in lower case. */
const quotedLower = (text: string) => lowerAscii(JSON.stringify(text))
