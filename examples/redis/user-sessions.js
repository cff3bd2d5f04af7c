// @ts-check
// The part of the session-expiry example that your web application imports.

/** A sorted set of users. The score is when the user's latest session expires, in ms since the epoch. */
export const EXPIRIES = 'curfew:expiries'
/** Prefix of a key that expires with the user's latest session. The rest of its name identifies the user. */
export const ACTIVE = 'curfew:active:'

/** @typedef {import('redis').RedisClientType<any, any, any, any, any>} Redis */
/** @typedef {import('curfew/client').User} User */

/**
 * Call it when a user logs in and on each request of a session. With `express-session`:
 *
 *   app.use((request, response, next) => {
 *     const { user, cookie } = request.session
 *     if (!user) return next()
 *     touch(redis, user, cookie.originalMaxAge).then(() => next(), next) // requires `cookie.maxAge`
 *   })
 *
 * @param {Redis} redis
 * @param {User} user Exactly one name, preferably one without personal data: it becomes part of a key.
 * @param {number} lifetimeMs How long a session lives without a request. It must be the same for all sessions.
 */
export async function touch(redis, user, lifetimeMs) {
  const name = JSON.stringify(user)
  await redis
    .multi()
    .set(ACTIVE + name, '', { expiration: { type: 'PX', value: lifetimeMs } })
    .zAdd(EXPIRIES, { score: Date.now() + lifetimeMs, value: name })
    .exec()
}

/**
 * Call it when a user logs out, before `curfew.endAccess`.
 *
 * @param {Redis} redis
 * @param {User} user
 */
export async function forget(redis, user) {
  const name = JSON.stringify(user)
  await redis
    .multi()
    .del(ACTIVE + name)
    .zRem(EXPIRIES, name)
    .exec()
}
