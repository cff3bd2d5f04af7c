import { Readable } from 'node:stream'
import { withQuery } from './links.ts'
import { FIRST_PAGE } from './paging.ts'

const BLANKS = Buffer.alloc(64 * 1024, ' ')

/** This many bytes of white space, which JSON allows, followed by the body. */
export function hugeBody(bytes: number, body: string): Readable {
  function* pieces() {
    for (let left = bytes; left > 0; left -= BLANKS.length) yield BLANKS.subarray(0, left)
    yield Buffer.from(body)
  }
  return Readable.from(pieces())
}

/** The body in chunks of `chunkBytes`, with a pause before each. The timer ends with the stream. */
export function trickledBody(chunkBytes: number, intervalMs: number, body: string): Readable {
  const bytes = Buffer.from(body)
  let sent = 0
  let timer: NodeJS.Timeout | undefined
  return new Readable({
    read() {
      timer = setTimeout(() => {
        const chunk = bytes.subarray(sent, sent + chunkBytes)
        sent += chunkBytes
        this.push(chunk.length > 0 ? chunk : null)
      }, intervalMs)
    },
    destroy(error, done) {
      clearTimeout(timer)
      done(error)
    },
  })
}

/** A listing whose `next` link points to its first page. Other bodies are unchanged. */
export function endlessNext(body: string): string {
  const page = JSON.parse(body)
  const self = page.links?.self?.href
  if (typeof self !== 'string') return body
  page.links.next = { href: withQuery(self, { page: FIRST_PAGE }) }
  return JSON.stringify(page)
}
