import { fdatasync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Queue } from 'bullmq'
import Fastify from 'fastify'
import { PgBoss } from 'pg-boss'
import { createClient } from 'redis'
import { z } from 'zod'

/** A Fastify that parses signals and stores them, without the rest of Curfew. Arguments: the kind of store, and its place. */
export const STORES = ['file', 'pg-boss', 'bullmq'] as const
export type Store = (typeof STORES)[number]

interface Signal {
  json: object
  text: string
}

/** Resolves when the signal is on disk. */
type Keep = (signal: Signal) => Promise<unknown>

/** Appends the bytes to a file. Signals that arrive during one `fdatasync` share the next. */
function inFile(folder: string): Keep {
  const file = openSync(join(folder, 'signals'), 'a')
  const sync = promisify(fdatasync)
  let waiting: string[] = []
  let last = Promise.resolve()
  let next: Promise<void> | null = null
  const write = async () => {
    next = null
    const batch = waiting
    waiting = []
    writeSync(file, batch.join(''))
    await sync(file)
  }
  return ({ text }) => {
    waiting.push(`${text}\n`)
    if (next === null) {
      next = last.then(write)
      last = next
    }
    return next
  }
}

async function inPgBoss(connectionString: string): Promise<Keep> {
  const boss = new PgBoss({ connectionString, supervise: false, schedule: false })
  await boss.start()
  await boss.createQueue('signals')
  return ({ json }) => boss.send('signals', json)
}

async function inBullMq(path: string): Promise<Keep> {
  const connection = createClient({ socket: { path, tls: false } })
  await connection.connect()
  const queue = new Queue('signals', { connection })
  await queue.waitUntilReady()
  return ({ json }) => queue.add('signal', json)
}

if (import.meta.main) {
  const [store, place] = z.tuple([z.enum(STORES), z.string()]).parse(process.argv.slice(2))
  const open: Record<Store, (place: string) => Keep | Promise<Keep>> = {
    ...{ file: inFile, 'pg-boss': inPgBoss, bullmq: inBullMq },
  }
  const keep = await open[store](place)
  const app = Fastify()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string' },
    async (_request: unknown, text: string) => ({
      json: JSON.parse(text),
      text,
    }),
  )
  app.post<{ Body: Signal }>('/logout-hook', async ({ body }, reply) => {
    await keep(body)
    return reply.code(202).send({ accepted: true })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  process.once('SIGTERM', () => process.exit(0))
  process.send?.({ url: app.listeningOrigin })
}
