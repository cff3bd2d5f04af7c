import { chmod, constants, copyFile } from 'node:fs/promises'
import { CommandError } from '../cli/command-error.ts'
import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { count, print, printable, printJson } from '../cli/terminal.ts'

interface Options {
  json?: boolean
  profile?: string
}

/**
 * The command `backup`: makes the service copy its SQLite database, and copies the result to a new file if this machine
 * has it. @throws CommandError
 */
export async function backupCommand(to: string | undefined, { json, profile }: Options): Promise<void> {
  const client = connect(profile)
  const { file, bytes } = await client
    .call<{ file: string; bytes: number }>('POST', '/backups')
    .catch((error) => {
      if (error.code !== 'CURFEW_NOT_FOUND') throw error
      throw new CommandError(
        'This service has no backups: it runs on PostgreSQL (use pg_dump), or CURFEW_URL is not the operators’ listener.',
        EXIT.data,
        error.code,
      )
    })
  if (to !== undefined) await copyBackup(file, to)
  const written = to ?? file
  if (json) return printJson({ file: written, bytes, serviceFile: file })
  print(
    `${printable(written)}: ${count(bytes, 'byte')}${to === undefined ? ', on the machine of the service' : ''}.`,
  )
}

async function copyBackup(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL)
    await chmod(to, 0o600)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError(
      `The backup is complete on the machine of the service, as ${printable(from)}, but was not copied: ${printable(reason)}.`,
      EXIT.data,
    )
  }
}
