import { expiringKeys } from '../http/key-expiry.ts'
import type { Api } from './api.ts'

/** The API key that an operator signed in with: see `GET /key`. */
export interface OperatorKey {
  name: string
  roles: string[]
  tenants: string[] | null
  expiresAt: string | null
  brake: { users: number; windowMs: number } | null
}

/** A signed-in operator. */
export interface Operator {
  api: Api
  key: OperatorKey
  /** Whether pages offer to change something. Hiding is a comfort: the API decides. */
  mayOperate: boolean
  /** The end of the validity of the key, if it is near. */
  expiresSoonAt: string | null
}

/** @throws ApiError if the key is not valid */
export async function signIn(
  api: Api,
  { isReadOnly, now }: { isReadOnly: boolean; now: number },
): Promise<Operator> {
  const key = await api.get<OperatorKey>('/key')
  const expiresAt = key.expiresAt === null ? null : Date.parse(key.expiresAt)
  const { soon } = expiringKeys([{ name: key.name, notBefore: null, expiresAt }], now)
  return {
    ...{ api, key },
    mayOperate: !isReadOnly && key.roles.includes('operate'),
    expiresSoonAt: soon.length > 0 ? key.expiresAt : null,
  }
}
