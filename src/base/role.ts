/** What API keys can be used for. `docs/reference/http.md` lists the routes of each role. */
export const ROLES = ['signal', 'read', 'sessions', 'operate', 'admin'] as const

export type Role = (typeof ROLES)[number]

/** These roles change other users' data or the service itself. */
export const OPERATORS_ROLES: readonly Role[] = ['operate', 'admin']
