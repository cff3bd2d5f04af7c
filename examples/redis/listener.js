// @ts-check
// Ends the Qlik access of users whose last session has expired in Redis. Run one or more of these next to your
// application, which calls `touch` and `forget` of user-sessions.js.
//
// Redis publishes an event for an expired key only with `notify-keyspace-events Ex` (E: event channels, x: expired
// keys). Set it in redis.conf, with `CONFIG SET`, or in the parameters of a managed Redis. Events lack three things:
//
// - The value. It is gone when the event fires, so the name of the key must identify the user.
// - The time. Redis fires the event when it removes the key: on the next access, or when its background cycle finds the
//   key. That can be long after the expiry, and the user may have logged in again.
// - Delivery. Events are fire-and-forget: a listener that is down or reconnecting misses them.
//
// Therefore events only make this listener fast, and a sorted set of expiries makes it reliable. The set has the time
// of each expiry, and an entry stays until Curfew has accepted the request. A sweep at the start, after each reconnect
// and every minute finds missed events, failed requests, and requests of a listener that was killed.
//
// In a Redis Cluster, each node publishes only its own events: subscribe to every primary, or rely on the sweep.
import { createHash } from 'node:crypto'
import { CurfewClient } from 'curfew/client'
import { createClient } from 'redis'
import { ACTIVE, EXPIRIES } from './user-sessions.js'

const { CURFEW_URL = '', WEBHOOK_SECRET, REDIS_URL = 'redis://127.0.0.1:6379' } = process.env
const curfew = new CurfewClient({ url: CURFEW_URL, webhookSecret: WEBHOOK_SECRET })
const EXPIRED = '__keyevent@0__:expired' // of database 0
const SWEEP_EVERY_MS = 60_000
const BATCH = 100

/** Removes the entry unless the user has been active since. */
const REMOVE = `
  if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('ZREM', KEYS[1], ARGV[1]) end`

/** @type {import('redis').RedisClientType<any, any, any, any, any>} */
const redis = createClient({ url: REDIS_URL })
const subscriber = redis.duplicate()
// The clients reconnect and resubscribe. Without a listener for errors, an error would end the process.
redis.on('error', logError)
subscriber.on('error', logError)

await redis.connect()
await subscriber.connect()
await subscriber.subscribe(EXPIRED, (key) => {
  if (key.startsWith(ACTIVE)) end(key.slice(ACTIVE.length)).catch(logError)
})
subscriber.on('ready', sweep) // after a reconnect
setInterval(sweep, SWEEP_EVERY_MS)
console.log('listening')
await sweep()

/** Ends the access of all users whose last session has expired. An entry that fails does not delay the others. */
async function sweep() {
  try {
    let names
    let offset = 0
    do {
      const limit = { offset, count: BATCH }
      names = await redis.zRange(EXPIRIES, '-inf', Date.now(), { BY: 'SCORE', LIMIT: limit })
      const ended = await Promise.all(names.map((name) => end(String(name)).catch(logError)))
      // Entries that stay, because they failed or the user is active again, are skipped by the next page.
      offset += ended.filter((hasEnded) => !hasEnded).length
    } while (names.length === BATCH)
  } catch (error) {
    logError(error)
  }
}

/**
 * Ends the access of a user without an active session, and removes the entry. If several listeners do this, Curfew
 * recognizes the repeated request by its `webhook-id`.
 *
 * @param {string} name
 */
async function end(name) {
  const expiredAt = await redis.zScore(EXPIRIES, name)
  if (expiredAt === null || (await redis.exists(ACTIVE + name))) return false
  const digest = createHash('sha256').update(`${name} ${expiredAt}`).digest('hex')
  const result = await curfew.endAccess(JSON.parse(name), {
    reason: 'session-expired',
    occurredAt: new Date(expiredAt),
    webhookId: `session-expired-${digest}`,
  })
  if (!result.ok) {
    console.error(JSON.stringify({ msg: 'Qlik access not ended', ...result }))
    return false
  }
  return (await redis.eval(REMOVE, { keys: [EXPIRIES], arguments: [name, String(expiredAt)] })) === 1
}

/** @param {any} error */
function logError({ code, name }) {
  console.error(JSON.stringify({ msg: 'Error of the listener', code: code ?? name }))
}
