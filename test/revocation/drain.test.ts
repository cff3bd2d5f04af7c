import fc from 'fast-check'
import t from 'tap'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { type Run, Runs } from '../../src/revocation/runs.ts'
import { nextInLine, RESERVE_EVERY } from '../../src/revocation/schedule.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { aSignal, T0 } from '../support/signals.ts'

const RUNS_BY_AGE = 3
const PERMITS_PER_WINDOW = 12

interface User {
  tokens: number
  /** Number of permits given before it arrives. */
  arrivesAt: number
  isSized: boolean
}

/**
 * Claims and permits without I/O, by the functions of the service; every run has listed its user at once.
 * @returns the number of permits after which each user has no token left
 */
function drain(users: readonly User[]): number[] {
  const runs = new Runs(
    () => RUNS_BY_AGE,
    () => PERMITS_PER_WINDOW,
  )
  const queue: Revocation[] = users.map(({ tokens, isSized }, age) => {
    const signal = aSignal({ userId: String(age), acceptedAt: T0 + age })
    return { ...newRevocation(String(age), signal), size: isSized ? tokens : null }
  })
  const active: Run[] = []
  const doneAt = users.map(() => Number.POSITIVE_INFINITY)
  const begin = (some: readonly Revocation[]) => {
    for (const one of some) {
      queue.splice(queue.indexOf(one), 1)
      const run = runs.begin(one)
      run.remaining = users[Number(one.id)]?.tokens ?? 0
      active.push(run)
    }
  }
  const end = (run: Run, granted: number) => {
    runs.end(run)
    active.splice(active.indexOf(run), 1)
    doneAt[Number(run.revocation.id)] = granted
  }
  const claim = (granted: number) => {
    const present = queue.filter(({ id }) => (users[Number(id)]?.arrivesAt ?? 0) <= granted)
    const sized = present
      .flatMap((one) => (one.size === null ? [] : [{ one, size: one.size }]))
      .sort((a, b) => a.size - b.size)
    const count = runs.room(0).logout.bySize?.take(
      'default',
      sized.map(({ size }) => size),
    )
    begin(sized.slice(0, count).map(({ one }) => one))
    const { exceptions, perTenant } = runs.room(0).logout
    const oldest = present.filter((one) => queue.includes(one))
    begin(oldest.slice(0, exceptions.get('default') ?? perTenant))
    return present.length > 0
  }
  for (let granted = 0, idle = 0; doneAt.includes(Number.POSITIVE_INFINITY); ) {
    while (claim(granted + idle) && active.some(({ remaining }) => remaining === 0)) {
      for (const run of active.filter(({ remaining }) => remaining === 0)) end(run, granted)
    }
    const waiting = active.map((run) => ({
      urgency: 1,
      place: { remaining: run.remaining ?? 0, since: run.revocation.acceptedAt },
    }))
    const run = active[nextInLine(waiting, granted)]
    if (!run) {
      idle += 1
      continue
    }
    granted += 1
    run.remaining = (run.remaining ?? 1) - 1
    if (run.remaining === 0) end(run, granted)
  }
  return doneAt
}

const Users = fc
  .array(
    fc.record({
      tokens: fc.oneof(fc.nat(3), fc.nat(40)),
      arrivesAt: fc.nat(200),
      isSized: fc.boolean(),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((users) => users.sort((a, b) => a.arrivesAt - b.arrivesAt))

t.test('claims and permits: nothing is lost, and nobody starves', async () => {
  fc.assert(
    fc.property(Users, (users) => {
      let ahead = 0
      return drain(users).every((doneAt, age) => {
        const { tokens = 0, arrivesAt = 0 } = users[age] ?? {}
        ahead += tokens
        return doneAt <= arrivesAt + RESERVE_EVERY * (ahead + 1)
      })
    }),
  )
})

t.test('the order of claims is deterministic', async (t) => {
  const [users = []] = fc.sample(Users, 1)
  t.same(drain(users), drain(users))
})

t.test('a small user among large ones is done within a window, however many large ones run', async (t) => {
  const large = Array.from({ length: 20 }, () => ({ tokens: 500, arrivesAt: 0, isSized: true }))
  const doneAt = drain([...large, { tokens: 1, arrivesAt: 100, isSized: true }])
  t.ok((doneAt.at(-1) ?? 0) <= 100 + 2)
})
