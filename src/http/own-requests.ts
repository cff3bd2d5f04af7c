import { IncomingMessage } from 'node:http'

/** Whether Curfew itself made a request, with `inject`: it came through no connection. */
export function isOwn({ raw }: { raw: object }): boolean {
  return !(raw instanceof IncomingMessage)
}
