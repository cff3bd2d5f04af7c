import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { startSandbox } from '../src/sandbox/sandbox.ts'
import { openSqliteStore } from '../src/stores/sqlite/store.ts'

// Simulates power cuts: records the writes and syncs of the service under load with strace, rebuilds the files as of random
// moments from what was synced plus a random part of the rest, in sectors, and looks for every signal acknowledged before.
// A control that ignores syncs must lose signals; otherwise the method shows nothing.

const CUTS = 20
const SIGNALS = 1_000
const SENDERS = 16
const SECTOR = 512
const KEY = 'power-cuts-0123456789abcdef'

interface Operation {
  kind: 'write' | 'truncate' | 'sync' | 'unlink'
  file: string
  /** When it began and ended, in seconds since the epoch. */
  from: number
  to: number
  offset: number
  bytes: Buffer
}

interface Acknowledged {
  id: string
  at: number
}

const LINE = /^(\d+) +(\d+\.\d+) (.*)$/
const CALL = /^(pwrite64|fdatasync|fsync|ftruncate|unlink)\((.*)$/
const decoded = (text: string) => Buffer.from(text.replaceAll('\\x', ''), 'hex')

/** Reads the lines of `strace -f -ttt -y -xx`. A call that another thread interrupts ends on a later line. */
function parse(trace: string): Operation[] {
  const operations: Operation[] = []
  const open = new Map<string, Operation>()
  for (const line of trace.split('\n')) {
    const [, thread = '', time, call = ''] = LINE.exec(line) ?? []
    const at = Number(time)
    if (call.startsWith('<... ')) {
      const unfinished = open.get(thread)
      if (unfinished) unfinished.to = at
      open.delete(thread)
      continue
    }
    const [, name, parameters = ''] = CALL.exec(call) ?? []
    const path = /^(?:\d+<|")((?:\\x[0-9a-f]{2})+|[^>"]+)/.exec(parameters)?.[1]
    if (!name || !path) continue
    const file = basename(path.startsWith('\\x') ? decoded(path).toString() : path)
    if (!/^curfew\.db(-wal)?$/.test(file)) continue
    const took = Number(/<(\d+\.\d+)>$/.exec(call)?.[1] ?? 0)
    const operation: Operation = {
      kind: 'sync',
      file,
      from: at,
      to: at + took,
      offset: 0,
      bytes: Buffer.alloc(0),
    }
    if (name === 'pwrite64') {
      const [, text = '', offset] = /, "((?:\\x[0-9a-f]{2})*)", \d+, (\d+)/.exec(parameters) ?? []
      Object.assign(operation, { kind: 'write', bytes: decoded(text), offset: Number(offset) })
    } else if (name === 'ftruncate') {
      Object.assign(operation, { kind: 'truncate', offset: Number(/, (\d+)/.exec(parameters)?.[1]) })
    } else if (name === 'unlink') operation.kind = 'unlink'
    if (call.includes('<unfinished')) {
      operation.to = Number.POSITIVE_INFINITY
      open.set(thread, operation)
    }
    operations.push(operation)
  }
  return operations
}

/** Changes `content`, which has room for it. */
function apply(content: Buffer, { kind, offset, bytes }: Operation, isKept: () => boolean): void {
  if (kind === 'truncate') {
    if (isKept()) content.fill(0, offset)
    return
  }
  for (let start = 0; start < bytes.length; start += SECTOR)
    if (isKept()) bytes.copy(content, offset + start, start, start + SECTOR)
}

/** The files after a power cut at this moment. */
function filesAt(moment: number, operations: readonly Operation[], mindsSyncs: boolean): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  for (const file of ['curfew.db', 'curfew.db-wal']) {
    const earlier = operations.filter((operation) => operation.file === file && operation.from <= moment)
    const content = Buffer.alloc(Math.max(0, ...earlier.map(({ offset, bytes }) => offset + bytes.length)))
    let size = 0
    let pending: Operation[] = []
    const settle = (isKept: () => boolean) => {
      for (const one of pending) {
        apply(content, one, isKept)
        size = one.kind === 'truncate' ? one.offset : Math.max(size, one.offset + one.bytes.length)
      }
      pending = []
    }
    for (const operation of earlier) {
      if (operation.kind === 'unlink') {
        content.fill(0)
        size = 0
        pending = []
      } else if (operation.kind !== 'sync') pending.push(operation)
      else if (mindsSyncs && operation.to <= moment) settle(() => true)
    }
    settle(() => Math.random() < 0.5)
    files.set(file, content.subarray(0, size))
  }
  return files
}

/** How many of the signals acknowledged before the moment are lost; all of them if the database cannot be opened. */
async function lostAt(moment: number, run: Recording, mindsSyncs: boolean): Promise<number> {
  const before = run.acknowledged.filter(({ at }) => at < moment)
  const folder = mkdtempSync(join(tmpdir(), 'curfew-power-cut-'))
  try {
    for (const [name, content] of filesAt(moment, run.operations, mindsSyncs))
      writeFileSync(join(folder, name), content)
    const store = openSqliteStore(join(folder, 'curfew.db'))
    try {
      const found = await Promise.all(before.map(({ id }) => store.get(id)))
      return found.filter((revocation) => revocation === null).length
    } finally {
      await store.close()
    }
  } catch {
    return before.length
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Recording {
  operations: Operation[]
  acknowledged: Acknowledged[]
}

async function record(): Promise<Recording> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-power-cuts-'))
  const sandbox = await startSandbox()
  const { id, secret } = sandbox.tenant.addClient()
  const trace = join(folder, 'trace')
  const calls = 'trace=pwrite64,fdatasync,fsync,ftruncate,unlink'
  const main = join(import.meta.dirname, '../src/main.ts')
  const strace = ['-f', '-ttt', '-T', '-y', '-xx', '-s', '1000000', '-e', calls, '-o', trace]
  const service: ChildProcess = spawn('strace', [...strace, process.execPath, main], {
    env: {
      ...process.env,
      ...{ QLIK_TENANT_URL: sandbox.url, QLIK_CLIENT_ID: id, QLIK_CLIENT_SECRET: String(secret) },
      ...{
        API_KEYS: KEY,
        DATABASE_URL: `sqlite:${join(folder, 'curfew.db')}`,
        PORT: '0',
        LOG_LEVEL: 'error',
      },
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
  })
  const [{ url }] = await once(service, 'message')
  const acknowledged: Acknowledged[] = []
  let sent = 0
  const send = async () => {
    while (acknowledged.length < SIGNALS) {
      sent += 1
      const response = await fetch(`${url}/logout-hook`, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify({ userId: `user-${sent}` }),
      })
      const answer: unknown = await response.json()
      const at = (performance.timeOrigin + performance.now()) / 1_000
      if (response.status === 202) acknowledged.push({ id: String(Object(answer).id), at })
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, send))
  const exited = once(service, 'exit')
  // The whole group: strace itself ignores the signal.
  if (service.pid) process.kill(-service.pid, 'SIGKILL')
  await exited
  await sandbox.close()
  const operations = parse(readFileSync(trace, 'latin1'))
  rmSync(folder, { recursive: true, force: true })
  return { operations, acknowledged }
}

const run = await record()
const syncs = run.operations.filter(({ kind }) => kind === 'sync').length
console.log(
  `${run.acknowledged.length} signals acknowledged, ${run.operations.length} writes and syncs, ${syncs} syncs`,
)
const times = run.acknowledged.map(({ at }) => at)
const [first = 0, last = 0] = [Math.min(...times), Math.max(...times)]
const totals = { lost: 0, control: 0, checked: 0 }
for (let cut = 1; cut <= CUTS; cut += 1) {
  const moment = first + Math.random() * (last - first)
  const checked = times.filter((at) => at < moment).length
  const lost = await lostAt(moment, run, true)
  const control = await lostAt(moment, run, false)
  totals.lost += lost
  totals.control += control
  totals.checked += checked
  console.log(`cut ${cut}: ${lost} of ${checked} lost; ${control} lost if syncs are ignored`)
}
console.log(`${CUTS} cuts: ${totals.lost} of ${totals.checked} lost; control: ${totals.control}`)
if (totals.lost > 0) throw new Error('Acknowledged signals were lost.')
if (syncs === 0 || totals.control === 0)
  throw new Error('The control lost nothing: the recording is not valid.')
