import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Log } from '../base/log.ts'
import { PROVEN, requireUnrestricted } from '../http/authenticate.ts'
import { originOf } from '../http/origin-of.ts'
import { problemAnswer } from '../http/problems.ts'
import { operatorEvent } from '../revocation/audit/events.ts'
import type { Recorder } from '../revocation/audit/recorder.ts'

const Backup = z.object({
  file: z.string().describe('Absolute path on the machine that runs Curfew'),
  bytes: z.number().int(),
})

export interface BackupsOptions {
  backup: () => Promise<z.infer<typeof Backup>>
  recorder: Pick<Recorder, 'note'>
  log: Log
}

/** `POST /backups`: copies the SQLite database while it is in use. */
const backups: FastifyPluginAsyncZod<BackupsOptions> = async (app, { backup, recorder, log }) => {
  app.post(
    '/backups',
    {
      config: { senders: ['api-key'], role: 'admin' },
      schema: {
        operationId: 'backUpDatabase',
        summary: 'Back up the database',
        description:
          'Copies the SQLite database to a new file in its folder, while the service runs. The copy contains everything that ' +
          'was answered before the request. Requires an API key that is not restricted to certain tenants.',
        tags: ['operations'],
        security: [{ apiKey: [] }],
        response: { 201: Backup.describe('The backup is complete and on disk'), default: problemAnswer },
      },
    },
    async (request, reply) => {
      requireUnrestricted(request)
      const made = await backup()
      log.info(made, 'backed up the database')
      recorder.note(operatorEvent('backup-made', made, originOf(request)))
      return reply.code(201).send(made)
    },
  )
}

export default fp(backups, { name: 'backups', ...PROVEN })
