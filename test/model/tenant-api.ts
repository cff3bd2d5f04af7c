import type { Route } from '../../src/qlik/http.ts'
import { type AccessToken, BOT, type ModelTenant, type Token, type User } from './tenant.ts'

export interface ApiRequest {
  route: Route
  url: URL
  access: AccessToken | null
}

export interface ApiAnswer {
  status: number
  headers?: Record<string, string>
  body?: unknown
}

export const routeOf = (method: string, { pathname }: URL): Route => {
  if (pathname === '/oauth/token') return 'token'
  if (pathname === '/api/v1/users/me') return 'me'
  if (pathname === '/api/v1/users') return 'users'
  if (pathname.startsWith('/api/v1/users/')) return 'user'
  if (method === 'DELETE') return 'revoke'
  return 'list'
}

const error = (status: number, code = `HTTP-${status}`): ApiAnswer => ({
  status,
  body: { errors: [{ code, title: 'Error', status: String(status) }] },
})

const rowOf = (user: User) => ({ ...user, status: 'active' })

/** Responses of the model tenant without faults, for the requests that `src/qlik/client.ts` makes. */
export class TenantApi {
  readonly #tenant: ModelTenant
  readonly #onDelete: (token: Token) => void

  /** @param onDelete called when a delete ends a token */
  constructor(tenant: ModelTenant, onDelete: (token: Token) => void) {
    this.#tenant = tenant
    this.#onDelete = onDelete
  }

  answer(request: ApiRequest): ApiAnswer {
    const { route, url, access } = request
    if (route === 'token') return this.#token()
    if (!access?.isValid) return error(401)
    if (route === 'me') return { status: 301, headers: { location: `/api/v1/users/${BOT.id}` } }
    if (route === 'user') return this.#user(decodeURIComponent(url.pathname.slice('/api/v1/users/'.length)))
    if (route === 'users') return this.#users(url.searchParams.get('filter') ?? '')
    if (route === 'revoke')
      return this.#revoke(decodeURIComponent(url.pathname.split('/').at(-1) ?? ''), access)
    return this.#list(url, access)
  }

  #token(): ApiAnswer {
    const { value, scope } = this.#tenant.issueAccessToken()
    return { status: 200, body: { access_token: value, token_type: 'bearer', scope, expires_in: 21_600 } }
  }

  #user(id: string): ApiAnswer {
    const user = this.#tenant.userWith(id)
    if (!user) return error(404, 'USERS-7')
    if (id !== BOT.id || !this.#tenant.areRolesReported) return { status: 200, body: rowOf(user) }
    const roles = this.#tenant.isAdmin ? ['TenantAdmin'] : ['Developer']
    return { status: 200, body: { ...rowOf(user), roles, assignedRoles: roles.map((name) => ({ name })) } }
  }

  #users(filter: string): ApiAnswer {
    const terms = filter.split(' or ').map((term) => /^(subject|email) eq (".*")$/.exec(term))
    const [first] = terms
    if (!first || terms.includes(null)) return error(400)
    const kind = first[1] === 'email' ? 'email' : 'subject'
    const found = this.#tenant.find(
      kind,
      terms.map((term) => JSON.parse(term?.[2] ?? '""')),
    )
    return { status: 200, body: { data: found.map(rowOf), links: {} } }
  }

  #revoke(id: string, access: AccessToken): ApiAnswer {
    const token = this.#tenant.tokenWith(id)
    if (!token || token.deletedAt !== null) {
      const { absentDelete } = this.#tenant.settings
      return absentDelete === 404 ? error(404) : { status: 204 }
    }
    if (token.userId !== BOT.id && !this.#tenant.hasPower(access)) return error(403)
    this.#onDelete(token)
    return { status: 204 }
  }

  #list(url: URL, access: AccessToken): ApiAnswer {
    const { paging, pageSize } = this.#tenant.settings
    const rows = this.#tenant.listed(url.searchParams.get('userId'), access)
    const page = url.searchParams.get('page')
    const start = page === null ? 0 : this.#startOf(page, rows)
    const shown = rows.slice(start, start + pageSize)
    const last = shown.at(-1)
    const hasNext = last !== undefined && start + pageSize < rows.length
    const next =
      paging === 'offset' ? `o${start + pageSize}` : `c${last && this.#tenant.tokens.indexOf(last)}`
    const link = new URL(url)
    link.searchParams.set('page', next)
    return {
      status: 200,
      body: {
        data: shown.map(({ id, userId, deviceType }) => ({ id, userId, tenantId: 't', deviceType })),
        links: { self: { href: url.href }, ...(hasNext ? { next: { href: link.href } } : {}) },
      },
    }
  }

  /** Start of a page: by position, or behind the last token of the preceding page, whatever was deleted in between. */
  #startOf(page: string, rows: readonly Token[]): number {
    const value = Number(page.slice(1))
    if (page.startsWith('o')) return value
    const { tokens } = this.#tenant
    const index = rows.findIndex((token) => tokens.indexOf(token) > value)
    return index < 0 ? rows.length : index
  }
}
