import { randomFillSync } from 'node:crypto'

const SALT_BYTES = 32
/** Random bytes are generated for many salts at once: one by one, they take as long as the hash of the entry. */
const pool = Buffer.alloc(SALT_BYTES * 256)
let used = pool.length

/** 32 random bytes in hex. */
export function newSalt(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += SALT_BYTES
  return pool.toString('hex', used - SALT_BYTES, used)
}
