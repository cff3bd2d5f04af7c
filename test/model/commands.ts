import fc from 'fast-check'
import type { Tier } from '../../src/qlik/budget/permit-log.ts'
import type { Route } from '../../src/qlik/http.ts'
import { REASONS, type Reason, type Scope, type UserReference } from '../../src/revocation/signal.ts'
import { FAULTS, type FaultKind } from './faults.ts'
import { BOT, PEOPLE } from './tenant.ts'

/** User names in signals: existing names, similar ones, and unknown ones. */
export const NAMES: readonly UserReference[] = [
  ...PEOPLE.map(({ id }) => ({ kind: 'userId' as const, value: id })),
  ...['idp|Kate', 'idp|K', 'idp|k', 'IDP|KATE', 'idp|Ann', 'idp|Zoe'].map((value) => ({
    kind: 'subject' as const,
    value,
  })),
  ...[
    'kate@example.com',
    'Kate@Example.com',
    '\u212Aate@example.com',
    'ann@example.com',
    'Ann@example.com',
  ].map((value) => ({ kind: 'email' as const, value })),
  ...['zoe@example.com', 'ZOE@example.com', 'nobody@example.com'].map((value) => ({
    kind: 'email' as const,
    value,
  })),
  ...['nobody', 'zoe@example.com', ' zoe', 'ZOE', 'me', BOT.id].map((value) => ({
    kind: 'userId' as const,
    value,
  })),
]

const DEVICES = [null, 'laptop', 'phone'] as const

/**
 * How a signal gives the time the session ended: not at all, or by a clock that agrees with Curfew's or the tenant's.
 */
export type SenderClock = 'none' | 'ours' | 'tenants'

export interface SignalCommand {
  user: UserReference
  reason: Reason
  scope: Scope | null
  deviceType: string | null
  /** How long ago the session ended. */
  agoMs: number
  senderClock: SenderClock
}

/**
 * An event, as plain data, so that it can be shrunk and printed. An event that is impossible at the time has no
 * effect.
 */
export type Command =
  | ({ kind: 'signal'; process: number; webhookId: number | null } & SignalCommand)
  | { kind: 'signals'; process: number; users: UserReference[]; reason: Reason }
  | { kind: 'repeat'; process: number; which: number }
  | {
      kind: 'grant'
      user: number
      count: number
      deviceType: string | null
      agoMs: number
      hasIdTime: boolean
    }
  | { kind: 'wait'; ms: number }
  | { kind: 'fault'; route: Route | 'any'; fault: FaultKind; count: number }
  | { kind: 'role'; isAdmin: boolean; areReported: boolean }
  | { kind: 'scope'; granted: string; expire: boolean }
  | { kind: 'retry'; process: number; which: number }
  | { kind: 'dry-run'; process: number; user: UserReference; reason: Reason }
  | { kind: 'reload'; process: number; tier1: number; tier2: number; concurrency: number }
  | { kind: 'crash'; process: number; turns: number; downMs: number }
  | { kind: 'restart'; process: number; downMs: number }
  | { kind: 'step'; process: number; ms: number }
  | { kind: 'pause'; process: number; ms: number; sleeps: boolean }
  | { kind: 'tenant-step'; ms: number }
  | { kind: 'others'; tier: Tier; calls: number }
  | { kind: 'expire' }
  | { kind: 'end-token'; which: number }

const process = fc.nat({ max: 2 })
/** Mostly for one user, because simultaneous events of the same user cause defects. */
const KATE = NAMES.filter(
  ({ value }) => /^(kate|idp\|kate|kate@example\.com)$/i.test(value) && value !== 'KATE',
)
const user = fc.oneof(fc.constantFrom(...KATE), fc.constantFrom(...NAMES))
const grantee = fc.oneof(fc.constant(0), fc.nat({ max: PEOPLE.length - 1 }))
const reason = fc.constantFrom(...REASONS)
const deviceType = fc.oneof(
  { weight: 3, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constantFrom(...DEVICES) },
)
const which = fc.nat({ max: 9 })
const is = <K extends string>(kind: K) => fc.constant(kind)
const SHARES = [1, 0.6, 0.3] as const

const signal = fc.record({
  kind: is('signal'),
  process,
  webhookId: fc.option(fc.nat({ max: 1 }), { freq: 2 }),
  user,
  reason,
  scope: fc.option(fc.constantFrom('issued-before', 'all'), { freq: 2 }),
  deviceType,
  agoMs: fc.constantFrom(0, 0, 300, 2_000, 8_000, 70_000),
  senderClock: fc.constantFrom('none', 'none', 'ours', 'tenants'),
})

const grant = fc.record({
  kind: is('grant'),
  user: grantee,
  count: fc.constantFrom(1, 1, 2, 3, 7),
  deviceType,
  agoMs: fc.constantFrom(0, 0, 0, 900, 5_000, 90_000),
  hasIdTime: fc.constantFrom(true, true, true, true, false),
})

const waits = [1, 20, 200, 1_000, 1_000, 3_000, 6_000, 6_000, 12_000, 35_000, 65_000, 700_000]
const wait = fc.record({ kind: is('wait'), ms: fc.constantFrom(...waits) })

const fault = fc.record({
  kind: is('fault'),
  route: fc.constantFrom('list', 'list', 'revoke', 'revoke', 'revoke', 'token', 'me', 'user', 'users', 'any'),
  fault: fc.constantFrom(...FAULTS),
  count: fc.constantFrom(1, 1, 2, 5),
})

const rare = fc.oneof(
  fc.record({ kind: is('role'), isAdmin: fc.boolean(), areReported: fc.boolean() }),
  fc.record({
    kind: is('scope'),
    granted: fc.constantFrom('admin_classic', 'user_default', 'user_default admin_classic'),
    expire: fc.boolean(),
  }),
  fc.record({ kind: is('dry-run'), process, user, reason }),
  fc.record({
    kind: is('reload'),
    process,
    tier1: fc.constantFrom(...SHARES),
    tier2: fc.constantFrom(...SHARES),
    concurrency: fc.constantFrom(1, 2, 8),
  }),
  fc.record({
    kind: is('crash'),
    process,
    turns: fc.nat({ max: 6 }),
    downMs: fc.constantFrom(500, 2_000, 15_000),
  }),
  fc.record({ kind: is('restart'), process, downMs: fc.constantFrom(500, 5_000) }),
  fc.record({
    kind: is('step'),
    process,
    ms: fc.constantFrom(-600_000, -60_000, -1_500, 1_500, 60_000, 600_000),
  }),
  fc.record({
    kind: is('pause'),
    process,
    ms: fc.constantFrom(300, 5_000, 20_000, 90_000),
    sleeps: fc.boolean(),
  }),
  fc.record({ kind: is('tenant-step'), ms: fc.constantFrom(-120_000, -6_000, 6_000, 120_000) }),
  fc.record({
    kind: is('others'),
    tier: fc.constantFrom(1 as const, 2 as const),
    calls: fc.constantFrom(1, 3, 8),
  }),
  fc.record({ kind: is('expire') }),
  fc.record({ kind: is('end-token'), which }),
  fc.record({ kind: is('signals'), process, users: fc.array(user, { minLength: 2, maxLength: 5 }), reason }),
)

export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: signal },
  { weight: 6, arbitrary: grant },
  { weight: 8, arbitrary: wait },
  { weight: 3, arbitrary: fault },
  { weight: 2, arbitrary: fc.record({ kind: is('repeat'), process, which }) },
  { weight: 2, arbitrary: fc.record({ kind: is('retry'), process, which }) },
  { weight: 5, arbitrary: rare },
)

/** A command in readable form, on one line. */
export function describeCommand({ kind, ...details }: Command): string {
  const members = Object.entries(details).flatMap(([name, value]) => {
    if (name === 'user' && typeof value === 'object' && 'kind' in value)
      return [`${value.kind} ${JSON.stringify(value.value)}`]
    if (name === 'user' && typeof value === 'number') return [PEOPLE[value]?.id]
    if (name === 'users') return [JSON.stringify(value)]
    return value === null ? [] : [`${name} ${value}`]
  })
  return [kind, ...members].join(', ')
}
