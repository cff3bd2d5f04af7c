const NEWLINE = 0x0a

/** A line without its newline; null if it is longer than the limit. */
export type Line = Buffer | null

/**
 * Splits bytes into lines, and yields those that each chunk completes. Longer lines than `longest` bytes are not kept in
 * memory. A last line without a newline counts.
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>, longest: number): AsyncGenerator<Line[]> {
  let pending: Buffer[] = []
  let length = 0
  const take = (part: Buffer) => {
    length += part.length
    if (length > longest) pending = []
    else pending.push(part)
  }
  const finish = (): Line => {
    const line = length > longest ? null : Buffer.concat(pending)
    pending = []
    length = 0
    return line
  }
  for await (const chunk of chunks) {
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end))
      lines.push(finish())
      start = end + 1
    }
    if (start < chunk.length) take(chunk.subarray(start))
    yield lines
  }
  if (length > 0) yield [finish()]
}
